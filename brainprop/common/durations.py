"""Durations for people to read."""


def duration(seconds: float) -> str:
    """Returns a duration, rounded: "8 s", "12 min", "3 h 05 min"."""
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
