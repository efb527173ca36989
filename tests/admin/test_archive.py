"""Owns the tests of a backup's archive: what went in comes out, or a sentence tells that it is not whole."""

import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.admin.archive import CUT_OFF, DAMAGED, ArchiveWriter, Entry, read_archive
from appliance.formats.outcome import Permanent

NAME = "mail/x.test/" + "long" * 40 + "\udcff:2,S"


def written(*contents: tuple[str, bytes | None]) -> bytes:
    stream = io.BytesIO()
    writer = ArchiveWriter(stream, {"host": "here"})
    for name, content in contents:
        size = len(content or b"")
        writer.add(Entry(name, 1_000_000_000, size, None if content is None else io.BytesIO(content)))
    writer.close()
    return stream.getvalue()


def read(archive: bytes) -> list[tuple[str, int, bytes | None]]:
    entries = read_archive(io.BytesIO(archive))
    return [(entry.name, entry.time, entry.content.read() if entry.content else None) for entry in entries][
        1:
    ]


@given(st.lists(st.binary(max_size=2000) | st.none(), max_size=4))
def test_what_goes_in_comes_out(contents: list[bytes | None]) -> None:
    archive = written(*((f"{NAME}{index}", content) for index, content in enumerate(contents)))

    expected = [(f"{NAME}{index}", 1_000_000_000, content) for index, content in enumerate(contents)]
    assert expected == read(archive)
    assert expected == read(gzip.compress(archive))


def test_it_is_a_tar_that_any_tar_reads() -> None:
    with tarfile.open(fileobj=io.BytesIO(written(("queue/info/7/30", b"F\0")))) as tar:
        assert ["backup.json", "queue/info/7/30", "manifest.json"] == tar.getnames()


def test_an_archive_that_is_cut_off_anywhere_is_told() -> None:
    archive = written(("queue/info/7/30", b"F\0" * 400), ("mail/x", None))
    end = archive.rindex(b'"sha256"')

    for length in [0, 1, *range(512, end, 300), end]:
        for part in (archive[:length], gzip.compress(archive)[: length // 20]):
            with pytest.raises(Permanent, match="cut off"):
                read(part)


def test_one_changed_byte_is_told() -> None:
    archive = written(("queue/bounce/30", b"<a@x.test>:\n"))

    with pytest.raises(Permanent, match=DAMAGED):
        read(archive.replace(b"<a@x", b"<b@x"))


def test_a_content_that_is_not_read_counts_all_the_same() -> None:
    entries = read_archive(io.BytesIO(written(("mail/x", b"abc"), ("mail/y", b"d"))))

    assert ["backup.json", "mail/x", "mail/y"] == [entry.name for entry in entries]


def tar_of(*members: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for member in members:
            tar.addfile(member)
    return stream.getvalue()


def test_another_tar_is_none_of_ours() -> None:
    link = tarfile.TarInfo("backup.json")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"

    for archive in (tar_of(tarfile.TarInfo("x")), tar_of(link), b"no tar at all" * 100):
        with pytest.raises(Permanent, match="no backup of toaster"):
            read(archive)
    with pytest.raises(Permanent, match=CUT_OFF):
        read(tar_of(tarfile.TarInfo("backup.json")))


@given(st.dictionaries(st.sampled_from(["user.toaster.why", "user.x"]), st.binary(max_size=20)))
def test_extended_attributes_come_out_as_they_went_in(attributes: dict[str, bytes]) -> None:
    stream = io.BytesIO()
    writer = ArchiveWriter(stream, {})
    writer.add(Entry(NAME, 0, 0, io.BytesIO(), attributes))
    writer.close()

    _, entry = read_archive(io.BytesIO(stream.getvalue()))

    assert attributes == entry.attributes
