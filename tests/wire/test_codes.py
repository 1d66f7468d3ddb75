import pytest

from mapigw.wire.codes import ErrorCode


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (0x8004010F, "NotFound"),
        (0x000004B9, "NullObject"),
        (0x000004B6, "RpcFormat"),
        (0x00000503, "NullDestinationObject"),
        (0x00000480, "ServerBusy"),
        (0x00040380, "ErrorsReturned"),
        # a property error with the value of a general error is its alias
        (0x8007000E, "OutOfMemory"),
    ],
)
def test_names_of_the_specification(value: int, name: str) -> None:
    assert ErrorCode(value).name == name
    assert ErrorCode[name] == value


def test_property_errors_are_codes_too() -> None:
    assert ErrorCode["NotEnoughMemory"] is ErrorCode(0x8007000E)


def test_an_unknown_code_is_named_by_its_value() -> None:
    code = ErrorCode(0x80041234)
    assert int(code) == 0x80041234
    assert code.name == "0x80041234"
    assert isinstance(code, ErrorCode)
    assert code == ErrorCode(0x80041234)


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_codes_have_32_bits(value: int) -> None:
    with pytest.raises(ValueError, match="is not a valid ErrorCode"):
        ErrorCode(value)
