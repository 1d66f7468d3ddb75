"""Every ROP of MS-OXCROPS is declared, with its RopId."""

import pytest

from mapigw.wire.rops import ROPS, ROPS_BY_NAME

# MS-OXCROPS 2.2.2 and the RopId fields of 2.2.3 to 2.2.15
TABLE = {
    0x01: "Release",
    0x02: "OpenFolder",
    0x03: "OpenMessage",
    0x04: "GetHierarchyTable",
    0x05: "GetContentsTable",
    0x06: "CreateMessage",
    0x07: "GetPropertiesSpecific",
    0x08: "GetPropertiesAll",
    0x09: "GetPropertiesList",
    0x0A: "SetProperties",
    0x0B: "DeleteProperties",
    0x0C: "SaveChangesMessage",
    0x0D: "RemoveAllRecipients",
    0x0E: "ModifyRecipients",
    0x0F: "ReadRecipients",
    0x10: "ReloadCachedInformation",
    0x11: "SetMessageReadFlag",
    0x12: "SetColumns",
    0x13: "SortTable",
    0x14: "Restrict",
    0x15: "QueryRows",
    0x16: "GetStatus",
    0x17: "QueryPosition",
    0x18: "SeekRow",
    0x19: "SeekRowBookmark",
    0x1A: "SeekRowFractional",
    0x1B: "CreateBookmark",
    0x1C: "CreateFolder",
    0x1D: "DeleteFolder",
    0x1E: "DeleteMessages",
    0x1F: "GetMessageStatus",
    0x20: "SetMessageStatus",
    0x21: "GetAttachmentTable",
    0x22: "OpenAttachment",
    0x23: "CreateAttachment",
    0x24: "DeleteAttachment",
    0x25: "SaveChangesAttachment",
    0x26: "SetReceiveFolder",
    0x27: "GetReceiveFolder",
    0x29: "RegisterNotification",
    0x2A: "Notify",
    0x2B: "OpenStream",
    0x2C: "ReadStream",
    0x2D: "WriteStream",
    0x2E: "SeekStream",
    0x2F: "SetStreamSize",
    0x30: "SetSearchCriteria",
    0x31: "GetSearchCriteria",
    0x32: "SubmitMessage",
    0x33: "MoveCopyMessages",
    0x34: "AbortSubmit",
    0x35: "MoveFolder",
    0x36: "CopyFolder",
    0x37: "QueryColumnsAll",
    0x38: "Abort",
    0x39: "CopyTo",
    0x3A: "CopyToStream",
    0x3B: "CloneStream",
    0x3E: "GetPermissionsTable",
    0x3F: "GetRulesTable",
    0x40: "ModifyPermissions",
    0x41: "ModifyRules",
    0x42: "GetOwningServers",
    0x43: "LongTermIdFromId",
    0x44: "IdFromLongTermId",
    0x45: "PublicFolderIsGhosted",
    0x46: "OpenEmbeddedMessage",
    0x47: "SetSpooler",
    0x48: "SpoolerLockMessage",
    0x49: "GetAddressTypes",
    0x4A: "TransportSend",
    0x4B: "FastTransferSourceCopyMessages",
    0x4C: "FastTransferSourceCopyFolder",
    0x4D: "FastTransferSourceCopyTo",
    0x4E: "FastTransferSourceGetBuffer",
    0x4F: "FindRow",
    0x50: "Progress",
    0x51: "TransportNewMail",
    0x52: "GetValidAttachments",
    0x53: "FastTransferDestinationConfigure",
    0x54: "FastTransferDestinationPutBuffer",
    0x55: "GetNamesFromPropertyIds",
    0x56: "GetPropertyIdsFromNames",
    0x57: "UpdateDeferredActionMessages",
    0x58: "EmptyFolder",
    0x59: "ExpandRow",
    0x5A: "CollapseRow",
    0x5B: "LockRegionStream",
    0x5C: "UnlockRegionStream",
    0x5D: "CommitStream",
    0x5E: "GetStreamSize",
    0x5F: "QueryNamedProperties",
    0x60: "GetPerUserLongTermIds",
    0x61: "GetPerUserGuid",
    0x63: "ReadPerUserInformation",
    0x64: "WritePerUserInformation",
    0x66: "SetReadFlags",
    0x67: "CopyProperties",
    0x68: "GetReceiveFolderTable",
    0x69: "FastTransferSourceCopyProperties",
    0x6B: "GetCollapseState",
    0x6C: "SetCollapseState",
    0x6D: "GetTransportFolder",
    0x6E: "Pending",
    0x6F: "OptionsData",
    0x70: "SynchronizationConfigure",
    0x72: "SynchronizationImportMessageChange",
    0x73: "SynchronizationImportHierarchyChange",
    0x74: "SynchronizationImportDeletes",
    0x75: "SynchronizationUploadStateStreamBegin",
    0x76: "SynchronizationUploadStateStreamContinue",
    0x77: "SynchronizationUploadStateStreamEnd",
    0x78: "SynchronizationImportMessageMove",
    0x79: "SetPropertiesNoReplicate",
    0x7A: "DeletePropertiesNoReplicate",
    0x7B: "GetStoreState",
    0x7E: "SynchronizationOpenCollector",
    0x7F: "GetLocalReplicaIds",
    0x80: "SynchronizationImportReadStateChanges",
    0x81: "ResetTable",
    0x82: "SynchronizationGetTransferState",
    0x86: "TellVersion",
    0x89: "FreeBookmark",
    0x90: "WriteAndCommitStream",
    0x91: "HardDeleteMessages",
    0x92: "HardDeleteMessagesAndSubfolders",
    0x93: "SetLocalReplicaMidsetDeleted",
    0x9D: "FastTransferDestinationPutBufferExtended",
    0xA3: "WriteStreamExtended",
    0xF9: "Backoff",
    0xFE: "Logon",
    0xFF: "BufferTooSmall",
}

SERVER_ONLY = {"Notify", "Pending", "BufferTooSmall", "Backoff"}


@pytest.mark.spec("MS-OXCROPS_R15")
def test_every_rop_is_registered_with_its_id() -> None:
    assert {rop_id: rop.name for rop_id, rop in ROPS.items()} == TABLE
    assert {name: rop.rop_id for name, rop in ROPS_BY_NAME.items()} == {name: key for key, name in TABLE.items()}


def test_only_server_rops_have_no_request() -> None:
    assert {rop.name for rop in ROPS.values() if rop.request is None} == SERVER_ONLY


def test_release_alone_is_not_answered() -> None:
    assert [rop.name for rop in ROPS.values() if rop.response is None] == ["Release"]


@pytest.mark.spec("MS-OXCROPS_R14")
def test_an_output_handle_index_is_the_first_field() -> None:
    for rop in ROPS.values():
        names = [] if rop.request is None else [field.name for field in rop.request.construct.subcons]
        assert rop.output_handle == ("output_handle_index" in names), rop.name
        assert rop.response_handle == ("input_handle_index" in names), rop.name
        if rop.output_handle:
            assert names[0] == "output_handle_index", rop.name
        if rop.response_handle:
            assert names[0] == "input_handle_index", rop.name


def test_what_failed_fits_the_failure_layouts() -> None:
    for rop in ROPS.values():
        if rop.failure is not None:
            rop.failure.build(dict(rop.failed))
