from common.text import storable


def test_replaces_what_postgres_refuses() -> None:
    """NUL and lone surrogates become U+FFFD wherever they stand; everything else stays as it is."""
    value = {"a\x00": ["x\x00y", {"b": "\ud800z"}], "n": 1, "none": None, "emoji": "🙂 zażółć"}
    assert storable(value) == {
        "a\ufffd": ["x\ufffdy", {"b": "\ufffdz"}],
        "n": 1,
        "none": None,
        "emoji": "🙂 zażółć",
    }
