"""Damages files for property-based tests."""

from hypothesis import strategies as st


def mutations(content: bytes) -> st.SearchStrategy[bytes]:
    """Replaces a few stretches by other bytes, or cuts the file; often near an end of it."""
    size = len(content)
    near_an_end = st.integers(0, 300).flatmap(
        lambda distance: st.sampled_from([min(distance, size), max(0, size - distance)])
    )
    stretch = st.tuples(
        st.integers(0, size) | near_an_end, st.integers(0, 4), st.binary(max_size=8)
    )

    def apply(stretches):
        mutated = content
        for start, length, replacement in stretches:
            mutated = mutated[:start] + replacement + mutated[start + length :]
        return mutated

    return st.lists(stretch, min_size=1, max_size=4).map(apply) | st.integers(0, size).map(
        lambda end: content[:end]
    )
