"""Pictures of any kind become images as the data set has them, or are told in one line."""

import numpy as np
import pytest
from official_layouts import random_images
from PIL import Image, ImageOps

from brainprop.common.errors import BrainPropError
from brainprop.datasets.pictures import read_pictures

RGB, GRAY = (32, 32, 3), (28, 28, 1)
COLOR = (204, 102, 51)  # one of the web palette, on which mode P is exact
GRAY_OF_COLOR = 127  # 0.299 red + 0.587 green + 0.114 blue, as ITU-R 601 has it


def read(image: Image.Image, path, shape=RGB, **options) -> np.ndarray:
    image.save(path, **options)
    (picture,) = read_pictures([path], shape)
    assert picture.shape == shape and picture.dtype == np.uint8
    return picture


def photograph(width: int, height: int) -> Image.Image:
    return Image.fromarray(random_images(height, width, 3))


@pytest.mark.parametrize("shape", [RGB, GRAY, (64, 64, 3)])
def test_a_picture_of_the_right_size_comes_through_bit_for_bit(shape, tmp_path):
    pixels = random_images(*shape)
    np.testing.assert_array_equal(
        read(Image.fromarray(pixels.squeeze()), tmp_path / "a.png", shape), pixels
    )


def test_many_pictures_keep_their_order(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        Image.new("L", (28, 28), number).save(path)
    assert read_pictures(paths[::-1], GRAY)[:, 0, 0, 0].tolist() == [2, 1, 0]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (32, 32), (3000, 20), (1, 500), (640, 480)])
@pytest.mark.parametrize("shape", [RGB, GRAY])
def test_a_picture_of_one_color_keeps_it(size, shape, tmp_path):
    expected = COLOR if shape == RGB else GRAY_OF_COLOR
    picture = read(Image.new("RGB", size, COLOR), tmp_path / "a.png", shape)
    np.testing.assert_array_equal(picture, np.broadcast_to(expected, shape))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr"])
def test_any_mode_becomes_rgb_and_gray(mode, tmp_path):
    path = tmp_path / ("a.jpg" if mode in ("CMYK", "YCbCr") else "a.png")
    gray = mode in ("1", "L", "LA")
    image = Image.new("RGB", (50, 40), (255, 255, 255) if gray else COLOR).convert(mode)
    expected = (255,) if gray else COLOR
    tolerance = 1 if path.suffix == ".jpg" else 0
    for shape, color in ((RGB, expected), (GRAY, 255 if gray else GRAY_OF_COLOR)):
        picture = read(image, path, shape).astype(int)
        assert np.abs(picture - color).max() <= tolerance


def test_a_large_picture_is_cropped_around_its_center_and_averaged(tmp_path):
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, :32] = pixels[:, 96:] = (255, 0, 0)  # what the crop leaves out
    pixels[::2, 32:96] = 255  # lines that sampling without averaging would keep or lose
    picture = read(Image.fromarray(pixels), tmp_path / "a.png").astype(int)
    inside = picture[4:-4, 4:-4]
    assert inside.min() > 110 and inside.max() < 145
    image = photograph(150, 100)
    fitted = ImageOps.fit(image, (32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(read(image, tmp_path / "b.png"), np.asarray(fitted))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation, tmp_path):
    image = Image.new("RGB", (64, 64), "black")
    image.paste("white", (0, 0, 32, 32))  # the corner that EXIF calls first row, first column
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read(image, tmp_path / "a.png", GRAY, exif=exif)[..., 0]
    # Where EXIF says that the first row and column are seen: top or bottom, left or right.
    rows, columns = {
        1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0),
        5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0),
    }[orientation]  # fmt: skip
    assert picture[rows, columns] == 255 and picture[~rows, ~columns] == 0


def test_of_16_bits_the_upper_8_are_kept(tmp_path):
    pixels = random_images(28, 28)
    for name, dtype in (("a.png", np.uint16), ("a.ppm", np.int32)):  # As Pillow writes 16 bits.
        image = Image.fromarray(pixels.astype(dtype) * 256 + 77)
        np.testing.assert_array_equal(read(image, tmp_path / name, GRAY)[..., 0], pixels)


def test_what_is_transparent_becomes_white(tmp_path):
    image = Image.new("RGBA", (32, 32), (10, 20, 30, 0))
    image.paste((10, 20, 30, 255), (0, 0, 16, 32))
    palette = Image.new("P", (32, 32), 1)
    palette.putpalette([255, 0, 0, 10, 20, 30])
    palette.paste(0, (16, 0, 32, 32))
    for picture in (
        read(image, tmp_path / "a.png"),
        read(palette, tmp_path / "b.png", transparency=0),
        read(palette, tmp_path / "c.png", transparency=b"\x00\xff"),
        read(palette, tmp_path / "d.gif", transparency=0),
    ):
        assert (picture[:, :16] == (10, 20, 30)).all() and (picture[:, 16:] == 255).all()


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("RGB", (32, 32), color) for color in ("blue", "red", "green")]
    picture = read(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (picture == (0, 0, 255)).all()


def refusal(*paths) -> str:
    with pytest.raises(BrainPropError) as caught:
        read_pictures(paths, RGB)
    message = str(caught.value)
    assert "\n" not in message and str(paths[0]) in message
    return message


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "webp", "ppm"])
def test_a_truncated_picture_is_refused(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    photograph(60, 40).save(path)
    content = path.read_bytes()
    read_pictures([path], RGB)
    for length in (len(content) // 2, 40, 10):
        path.write_bytes(content[:length])
        assert ": save it again" in refusal(path)


def test_what_is_no_picture_is_refused(tmp_path):
    text, empty, vector = (tmp_path / name for name in ("a.png", "b.png", "c.eps"))
    text.write_text("not a picture")
    empty.touch()
    vector.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")  # needs Ghostscript
    for path in (text, empty, vector):
        assert "cannot identify image file" in refusal(path)
    assert "is missing" in refusal(tmp_path / "missing.png")
    assert "is a folder" in refusal(tmp_path)


def test_a_device_and_a_file_without_permission_are_refused(tmp_path, monkeypatch):
    assert "a device" in refusal(type(tmp_path)("/dev/zero"))
    path = tmp_path / "a.png"
    path.touch()

    def deny(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "read_bytes", deny)  # root may read anything
    assert "Permission denied" in refusal(path)


def test_floating_point_pixels_are_refused(tmp_path):
    path = tmp_path / "a.pfm"
    Image.new("F", (32, 32), 0.5).save(path)
    assert "16 bits" in refusal(path)


def test_a_decompression_bomb_is_refused_and_what_pillow_only_warns_of_is_read(
    tmp_path, monkeypatch, recwarn
):
    path = tmp_path / "a.png"
    Image.new("1", (100, 100), 1).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6000)
    assert (read_pictures([path], RGB) == 255).all() and not recwarn.list
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    assert "exceeds limit of 8000 pixels" in refusal(path)


def test_all_pictures_at_fault_are_named_the_first_with_its_fault(tmp_path):
    good = tmp_path / "good.png"
    photograph(5, 5).save(good)
    message = refusal(tmp_path / "first.png", good, tmp_path / "second.png", tmp_path)
    assert message.endswith(f"; also unreadable: {tmp_path / 'second.png'}, {tmp_path}")
