"""What every BlobStore promises. An adapter's test inherits it and provides the `store` fixture."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from transom.domain.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from transom.ports import BlobStore, Sealed


def fresh_key() -> str:
    return secrets.token_hex(16)


def sealed(store: BlobStore, content: bytes) -> Sealed:
    """The content as a blob under a fresh key."""
    staged = store.stage()
    staged.write(0, content)
    return staged.seal_as(fresh_key())


def content(store: BlobStore, key: str, start: int = 0, length: int | None = None) -> bytes:
    """What a reader of this window sees, in pieces of at most 7,000 bytes."""
    reader = store.open(key, start, length)
    pieces = iter(lambda: reader.read(7_000), b"")
    whole = b"".join(pieces)
    reader.close()
    return whole


def keys(store: BlobStore, *, staged: bool = False) -> set[str]:
    return {found.key for found in store.keys(staged=staged)}


class BlobStoreContract:
    """Inherit me, and provide a fixture `store` with an empty BlobStore."""

    def test_what_is_sealed_can_be_read_back(self, store: BlobStore) -> None:
        data = secrets.token_bytes(100_000)

        blob = sealed(store, data)

        assert (blob.size, blob.sha256) == (100_000, sha256(data).hexdigest())
        assert content(store, blob.key) == data

    def test_a_file_of_no_bytes_is_a_blob_too(self, store: BlobStore) -> None:
        blob = store.stage().seal_as(fresh_key())

        assert (blob.size, blob.sha256) == (0, sha256(b"").hexdigest())
        assert content(store, blob.key) == b""

    def test_writes_may_come_in_any_order(self, store: BlobStore) -> None:
        staged = store.stage()
        for offset, data in ((6, b"ghi"), (3, b"def"), (9, b"jkl"), (0, b"abc")):
            staged.write(offset, data)

        blob = staged.seal_as(fresh_key())

        assert content(store, blob.key) == b"abcdefghijkl"
        assert blob.sha256 == sha256(b"abcdefghijkl").hexdigest()

    def test_where_writes_overlap_the_later_one_counts(self, store: BlobStore) -> None:
        staged = store.stage()
        for offset, data in ((0, b"first."), (2, b"SECOND"), (0, b"3")):
            staged.write(offset, data)

        blob = staged.seal_as(fresh_key())

        assert content(store, blob.key) == b"3iSECOND"
        assert blob.sha256 == sha256(b"3iSECOND").hexdigest()

    def test_a_piece_may_be_a_window_of_a_larger_buffer(self, store: BlobStore) -> None:
        staged = store.stage()
        staged.write(0, memoryview(bytearray(b"--packet--"))[2:8])

        blob = staged.seal_as(fresh_key())

        assert content(store, blob.key) == b"packet"

    def test_size_is_the_highest_offset_written(self, store: BlobStore) -> None:
        staged = store.stage()
        sizes = [staged.size]
        for offset, data in ((10, b"abc"), (0, b"ab"), (40, b"")):
            staged.write(offset, data)
            sizes.append(staged.size)

        assert sizes == [0, 13, 13, 13]
        staged.discard()

    def test_the_first_gap_is_the_first_missing_offset(self, store: BlobStore) -> None:
        staged = store.stage()
        gaps = [staged.first_gap()]
        for offset in (20, 0, 40, 10, 30):
            staged.write(offset, b"ten bytes.")
            gaps.append(staged.first_gap())

        assert gaps == [None, 0, 10, 10, 30, None]
        staged.discard()

    def test_bytes_with_a_hole_are_not_sealed(self, store: BlobStore) -> None:
        staged = store.stage()
        staged.write(0, b"head")
        staged.write(5, b"tail")

        with pytest.raises(ValueError, match="missing from offset 4"):
            staged.seal_as(fresh_key())

        assert keys(store) == set()
        staged.discard()

    def test_a_hole_may_still_be_filled_after_a_refused_sealing(self, store: BlobStore) -> None:
        staged = store.stage()
        staged.write(1, b"bc")
        with pytest.raises(ValueError, match="missing from offset 0"):
            staged.seal_as(fresh_key())
        staged.write(0, b"a")

        blob = staged.seal_as(fresh_key())

        assert content(store, blob.key) == b"abc"

    def test_a_negative_offset_is_refused_and_harms_nothing(self, store: BlobStore) -> None:
        staged = store.stage()
        staged.write(0, b"kept")

        with pytest.raises(ValueError, match="negative"):
            staged.write(-1, b"x")

        assert content(store, staged.seal_as(fresh_key()).key) == b"kept"

    def test_a_flush_between_writes_changes_nothing(self, store: BlobStore) -> None:
        staged = store.stage()
        staged.write(0, b"before ")
        staged.flush()
        staged.write(7, b"after")
        staged.flush()

        blob = staged.seal_as(fresh_key())
        staged.flush()

        assert content(store, blob.key) == b"before after"

    def test_staged_bytes_are_no_blob(self, store: BlobStore) -> None:
        staged = store.stage()
        staged.write(0, b"not yet")

        assert keys(store) == set()
        assert len(keys(store, staged=True)) == 1
        staged.discard()

    def test_sealed_bytes_are_staged_no_more(self, store: BlobStore) -> None:
        blob = sealed(store, b"done")

        assert keys(store) == {blob.key}
        assert keys(store, staged=True) == set()

    def test_the_store_tells_since_when_it_has_a_key(self, store: BlobStore) -> None:
        sealed(store, b"new")

        (found,) = store.keys()

        assert abs(datetime.now(UTC) - found.modified_at) < timedelta(minutes=5)

    def test_discarded_bytes_leave_nothing(self, store: BlobStore) -> None:
        staged = store.stage()
        staged.write(0, b"never mind")

        staged.discard()
        staged.discard()

        assert keys(store) | keys(store, staged=True) == set()

    def test_discarding_after_the_sealing_does_nothing(self, store: BlobStore) -> None:
        staged = store.stage()
        staged.write(0, b"stays")
        blob = staged.seal_as(fresh_key())

        staged.discard()

        assert content(store, blob.key) == b"stays"

    @pytest.mark.parametrize("ending", ["sealed", "discarded"])
    def test_after_the_end_there_is_no_more_writing(self, store: BlobStore, ending: str) -> None:
        staged = store.stage()
        staged.write(0, b"whole")
        if ending == "sealed":
            staged.seal_as(fresh_key())
        else:
            staged.discard()

        with pytest.raises(ValueError, match="sealed or discarded"):
            staged.write(5, b"more")
        with pytest.raises(ValueError, match="sealed or discarded"):
            staged.seal_as(fresh_key())

    def test_a_second_sealing_to_one_key_fails_and_the_first_is_unaltered(
        self, store: BlobStore
    ) -> None:
        first = sealed(store, b"first")
        staged = store.stage()
        staged.write(0, b"second")

        with pytest.raises(Unavailable):
            staged.seal_as(first.key)

        staged.discard()
        assert content(store, first.key) == b"first"
        assert keys(store, staged=True) == set()

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, None, b"0123456789"),
            (0, 3, b"012"),
            (3, None, b"3456789"),
            (3, 4, b"3456"),
            (7, 100, b"789"),
            (4, 0, b""),
            (10, None, b""),
            (10, 5, b""),
        ],
    )
    def test_a_range_is_read_from_start_for_length_or_to_the_end(
        self, store: BlobStore, start: int, length: int | None, expected: bytes
    ) -> None:
        blob = sealed(store, b"0123456789")
        reader = store.open(blob.key, start, length)

        assert reader.size == len(expected)
        assert content(store, blob.key, start, length) == expected
        reader.close()

    @pytest.mark.parametrize(("start", "length"), [(11, None), (11, 0), (-1, None), (0, -1)])
    def test_a_range_that_is_not_in_the_blob_is_refused(
        self, store: BlobStore, start: int, length: int | None
    ) -> None:
        blob = sealed(store, b"0123456789")

        with pytest.raises(ValueError, match="of 10 bytes"):
            store.open(blob.key, start, length)

    def test_a_reader_gives_no_more_than_asked_at_a_time(self, store: BlobStore) -> None:
        reader = store.open(sealed(store, b"0123456789").key, 1, 8)

        pieces = [reader.read(3), reader.read(3), reader.read(3), reader.read(3)]

        assert b"".join(pieces) == b"12345678"
        assert max(len(piece) for piece in pieces) <= 3
        reader.close()

    def test_a_closed_reader_reads_no_more(self, store: BlobStore) -> None:
        reader = store.open(sealed(store, b"data").key)
        reader.close()
        reader.close()

        with pytest.raises(ValueError, match="closed"):
            reader.read(1)

    def test_a_reader_is_asked_for_one_byte_at_least(self, store: BlobStore) -> None:
        reader = store.open(sealed(store, b"data").key)

        with pytest.raises(ValueError, match="limit 0"):
            reader.read(0)

        reader.close()

    def test_a_reader_reads_anywhere_in_its_window_and_goes_on_where_it_was(
        self, store: BlobStore
    ) -> None:
        reader = store.open(sealed(store, b"0123456789").key, 2, 6)
        first = reader.read(2)

        found = [reader.read_at(4, 100), reader.read_at(0, 1), reader.read_at(3, 2)]

        assert found == [b"67", b"2", b"56"]
        assert reader.read_at(6, 10) == reader.read_at(1 << 62, 10) == b""
        assert first + reader.read(100) == b"234567"
        for offset, limit in ((-1, 1), (0, 0)):
            with pytest.raises(ValueError, match=r"is negative|below 1"):
                reader.read_at(offset, limit)
        reader.close()
        with pytest.raises(ValueError, match="closed"):
            reader.read_at(0, 1)

    def test_a_key_without_a_blob_is_not_found(self, store: BlobStore) -> None:
        with pytest.raises(NotFound):
            store.open(fresh_key())

    def test_reading_goes_on_when_the_blob_is_deleted_meanwhile(self, store: BlobStore) -> None:
        blob = sealed(store, b"first half, second half")
        reader = store.open(blob.key)
        head = reader.read(12)

        store.delete(blob.key)

        assert head + reader.read(100) == b"first half, second half"
        reader.close()

    def test_a_deleted_blob_is_gone_and_may_be_deleted_again(self, store: BlobStore) -> None:
        blob = sealed(store, b"gone")
        other = sealed(store, b"stays")

        store.delete(blob.key)
        store.delete(blob.key)

        assert keys(store) == {other.key}
        with pytest.raises(NotFound):
            store.open(blob.key)

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "..",
            "../staging/0123456789abcdef01234",
            "/etc/passwd",
            "0123456789abcdef0123456789abcde",
            "0123456789abcdef0123456789abcdef0",
            "0123456789ABCDEF0123456789ABCDEF",
            "0123456789abcdef0123456789abcdeg",
            "0123456789abcdef0123456789abcdef\n",
            "0123456789abcdef0123456789abcde\0",
            "\u0660\u0661abcdef0123456789abcdef01234567",
            "01/../6789abcdef0123456789abcdef",
        ],
    )
    def test_what_is_no_key_of_ours_is_refused_everywhere(self, store: BlobStore, key: str) -> None:
        staged = store.stage()

        for use in (store.open, store.delete, store.discard_staged, staged.seal_as):
            with pytest.raises(ValueError, match="not a blob key"):
                use(key)

        staged.discard()

    def test_blobs_are_joined_in_the_order_that_is_asked_for(self, store: BlobStore) -> None:
        parts = [sealed(store, data) for data in (b"one, ", b"two, ", b"three")]
        key = fresh_key()

        store.join(key, [parts[0].key, parts[2].key, parts[1].key])

        assert content(store, key) == b"one, threetwo, "

    @pytest.mark.parametrize("sizes", [[], [0], [0, 0], [5, 0], [0, 5], [1], [7, 3, 0, 9, 1]])
    def test_every_range_of_a_joined_blob_is_that_of_its_bytes(
        self, store: BlobStore, sizes: list[int]
    ) -> None:
        data = [secrets.token_bytes(size) for size in sizes]
        whole, key = b"".join(data), fresh_key()

        store.join(key, [sealed(store, each).key for each in data])

        for start in range(len(whole) + 1):
            for length in (None, *range(len(whole) + 2)):
                end = None if length is None else start + length
                assert content(store, key, start, length) == whole[start:end]

    def test_a_joined_blob_does_not_need_its_parts_nor_they_it(self, store: BlobStore) -> None:
        first, second, third = (sealed(store, data) for data in (b"first", b"second", b"third"))
        one, other = fresh_key(), fresh_key()
        store.join(one, [first.key, second.key])
        store.join(other, [second.key, third.key])

        store.delete(first.key)
        store.delete(other)

        assert content(store, one) == b"firstsecond"
        assert content(store, third.key) == b"third"
        assert keys(store) == {one, second.key, third.key}

    def test_nothing_is_joined_where_a_part_is_missing(self, store: BlobStore) -> None:
        part, key = sealed(store, b"part"), fresh_key()

        with pytest.raises(NotFound):
            store.join(key, [part.key, fresh_key()])

        assert keys(store) == {part.key}
        assert keys(store, staged=True) == set()

    def test_a_blob_is_never_replaced_by_a_joined_one(self, store: BlobStore) -> None:
        part, there = sealed(store, b"part"), sealed(store, b"there")
        joined = fresh_key()
        store.join(joined, [there.key])

        for key in (there.key, joined):
            with pytest.raises(Unavailable):
                store.join(key, [part.key])
            assert content(store, key) == b"there"
        assert keys(store, staged=True) == set()

    def test_reading_goes_on_when_a_joined_blob_is_deleted_meanwhile(
        self, store: BlobStore
    ) -> None:
        parts, key = [sealed(store, data) for data in (b"first", b"second")], fresh_key()
        store.join(key, [part.key for part in parts])
        reader = store.open(key)
        for gone in (*(part.key for part in parts), key):
            store.delete(gone)

        with pytest.raises(NotFound):
            store.open(key)
        assert keys(store) == set()
        assert reader.read(100) + reader.read(100) == b"firstsecond"
        reader.close()
        reader.close()
        with pytest.raises(ValueError, match="closed"):
            reader.read(1)

    def test_a_deleted_joined_blob_is_gone_and_may_be_deleted_again(self, store: BlobStore) -> None:
        part, key = sealed(store, b"part"), fresh_key()
        store.join(key, [part.key])

        store.delete(key)
        store.delete(key)

        assert keys(store) == {part.key}
        assert keys(store, staged=True) == set()

    def test_the_sweep_leaves_the_bytes_of_a_live_session_alone(self, store: BlobStore) -> None:
        staged = store.stage()
        staged.write(0, b"still coming")
        (found,) = store.keys(staged=True)

        assert not store.discard_staged(found.key)

        assert content(store, staged.seal_as(fresh_key()).key) == b"still coming"

    def test_the_sweep_finds_nothing_under_an_unknown_key(self, store: BlobStore) -> None:
        assert not store.discard_staged(fresh_key())

    def test_listing_goes_on_while_blobs_are_deleted(self, store: BlobStore) -> None:
        made = {sealed(store, b"%d" % number).key for number in range(40)}

        seen, listing = set(), store.keys()
        for found in listing:
            store.delete(found.key)
            seen.add(found.key)

        assert seen == made
        assert keys(store) == set()

    def test_a_store_in_order_passes_its_check_and_keeps_nothing_of_it(
        self, store: BlobStore
    ) -> None:
        store.check()

        assert keys(store) | keys(store, staged=True) == set()
