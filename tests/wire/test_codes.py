from mapigw.wire.codes import ErrorCode


def test_names_and_values_of_the_specification() -> None:
    assert ErrorCode.NotFound == 0x8004010F
    assert ErrorCode.NullObject == 0x000004B9
    assert ErrorCode.RpcFormat == 0x000004B6
    assert ErrorCode.NullDestinationObject == 0x00000503
    assert ErrorCode.ServerBusy == 0x00000480
    assert ErrorCode.ErrorsReturned == 0x00040380


def test_a_property_error_is_an_alias_of_the_general_error() -> None:
    assert ErrorCode.NotEnoughMemory is ErrorCode.OutOfMemory


def test_an_unknown_code_is_named_by_its_value() -> None:
    code = ErrorCode(0x80041234)
    assert code == 0x80041234
    assert code.name == "0x80041234"
    assert isinstance(code, ErrorCode)
