"""The blob store on disk keeps the contract, and what only a disk can do to it."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import secrets
import stat
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
from contracts.blob_store import BlobStoreContract, content, fresh_key, keys, sealed
from hypothesis import given, settings
from hypothesis import strategies as st

from transom.blobs import spans
from transom.blobs.disk import DiskBlobs, DiskCalls, DiskStaged
from transom.blobs.spans import Spans
from transom.domain.errors import NotFound, NotSupported, StorageFull, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS_OF_SEALING = ["fsync 1", "link 1", "fsync 2", "unlink 1"]
FULL = [errno.ENOSPC, errno.EDQUOT, errno.EFBIG]
DATA = secrets.token_bytes(10_000)


class Chance:
    def uuid(self) -> str:
        raise NotImplementedError

    def secret(self, size: int) -> bytes:
        return secrets.token_bytes(size)

    def blob_key(self) -> str:
        return secrets.token_hex(16)


class Always(Chance):
    """Gives the same key each time."""

    def __init__(self, key: str) -> None:
        self._key = key

    def blob_key(self) -> str:
        return self._key


class MachineStops(BaseException):
    """Nothing after this happens: no handler, no clean-up."""


@dataclass
class Faults:
    """Real calls, but the n-th of one name raises what was planned for "name n"."""

    plan: dict[str, BaseException]
    after: bool = False  # the call is made first
    seen: Counter[str] = field(default_factory=Counter)

    def calls(self) -> DiskCalls:
        names = ("pwrite", "pread", "fdatasync", "fsync", "link", "unlink", "rename")
        return DiskCalls(**{name: self._faulty(name) for name in names})

    def _faulty(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **named: Any) -> Any:
            self.seen[name] += 1
            failure = self.plan.get(f"{name} {self.seen[name]}")
            answer = real(*args, **named) if self.after or not failure else None
            if failure:
                raise failure
            return answer

        return call


class FailingDisk(OSError):
    def __init__(self) -> None:
        super().__init__(errno.EIO, "planned")


def disk(root: Path, **plan: BaseException) -> tuple[DiskBlobs, Faults]:
    """A store with faults planned as fsync_1=..., and the count of its calls."""
    faults = Faults({name.replace("_", " "): failure for name, failure in plan.items()})
    return DiskBlobs(root, Chance(), faults.calls()), faults


def staged_with(store: DiskBlobs, data: bytes) -> DiskStaged:
    staged = store.stage()
    staged.write(0, data)
    return staged


def process_ends(staged: DiskStaged) -> None:
    """What the kernel does for a dead process: close its descriptors."""
    assert staged._descriptor is not None
    os.close(staged._descriptor)
    staged._descriptor = None


def staging_file(root: Path) -> Path:
    (path,) = (root / "staging").iterdir()
    return path


def blob_file(root: Path, key: str) -> Path:
    return root / "blobs" / key[:2] / key


def open_descriptors() -> int:
    gc.collect()
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> DiskBlobs:
    return DiskBlobs(root, Chance())


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory: pytest.TempPathFactory) -> DiskBlobs:
    return DiskBlobs(tmp_path_factory.mktemp("long") / "store", Chance())


class TestDiskBlobs(BlobStoreContract):
    """The contract, kept by DiskBlobs."""


# What arrives


@settings(deadline=None, max_examples=150)
@given(
    writes=st.lists(st.tuples(st.integers(0, 900), st.binary(max_size=300)), max_size=25),
    catch_up=st.sampled_from([0, 1, 50, 1 << 20]),
    ordered=st.booleans(),
)
def test_any_writes_leave_the_bytes_the_digest_and_the_gap_of_a_bytearray(
    long_lived: DiskBlobs, writes: list[tuple[int, bytes]], catch_up: int, *, ordered: bool
) -> None:
    model, there = bytearray(), set[int]()
    staged = long_lived.stage()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "CATCH_UP_BYTES", catch_up)
        patch.setattr(spans, "PIECE_BYTES", 64)
        for offset, data in sorted(writes) if ordered else writes:
            staged.write(offset, data)
            if data:
                model.extend(bytes(max(0, offset + len(data) - len(model))))
                model[offset : offset + len(data)] = data
                there.update(range(offset, offset + len(data)))
            missing = set(range(len(model))) - there
            assert staged.first_gap() == min(missing, default=None)
            assert staged.size == len(model)
        if (gap := staged.first_gap()) is not None:
            staged.write(gap, bytes(model[gap:]))
        blob = staged.seal_as(fresh_key())

    assert content(long_lived, blob.key) == model
    assert (blob.size, blob.sha256) == (len(model), sha256(model).hexdigest())
    long_lived.delete(blob.key)


def test_writes_that_the_kernel_cuts_short_are_continued(root: Path) -> None:
    def few(descriptor: int, view: memoryview, offset: int) -> int:
        return os.pwrite(descriptor, view[:3_000], offset)

    store = DiskBlobs(root, Chance(), DiskCalls(pwrite=few))

    assert content(store, sealed(store, DATA).key) == DATA


def test_one_swapped_pair_of_packets_does_not_make_the_whole_file_be_read_again(root: Path) -> None:
    store, faults = disk(root)
    staged = store.stage()
    for offset in (1_000, 0, *range(2_000, 10_000, 1_000)):
        staged.write(offset, DATA[offset : offset + 1_000])
    read_back_so_far = faults.seen["pread"]

    blob = staged.seal_as(fresh_key())

    assert blob.sha256 == sha256(DATA).hexdigest()
    assert (read_back_so_far, faults.seen["pread"]) == (1, 1)


def test_too_many_separate_pieces_are_refused_and_the_gaps_can_still_be_filled(
    store: DiskBlobs,
) -> None:
    staged = store.stage()
    staged._spans = Spans(limit=2)
    staged.write(0, b"a")
    staged.write(2, b"c")

    with pytest.raises(NotSupported, match="more than 2 separate pieces"):
        staged.write(4, b"e")

    staged.write(1, b"b")
    assert content(store, staged.seal_as(fresh_key()).key) == b"abc"


@pytest.mark.parametrize("offset", [2**63 - 1, 2**64 - 1])
def test_an_offset_beyond_any_file_is_refused_and_harms_nothing(
    store: DiskBlobs, offset: int
) -> None:
    staged = staged_with(store, b"kept")

    with pytest.raises(StorageFull):
        staged.write(offset, b"x")

    assert staged.size == 4
    assert content(store, staged.seal_as(fresh_key()).key) == b"kept"


# The machine stops


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS_OF_SEALING)
def test_a_crash_while_sealing_leaves_the_whole_blob_or_none_and_the_sweep_finds_the_rest(
    root: Path, step: str, *, after: bool
) -> None:
    faults = Faults({step: MachineStops()}, after)
    staged = staged_with(DiskBlobs(root, Chance(), faults.calls()), DATA)
    with pytest.raises(MachineStops):
        staged.seal_as(fresh_key())
    process_ends(staged)

    restarted = DiskBlobs(root, Chance())
    found, stale = keys(restarted), keys(restarted, staged=True)

    assert all(content(restarted, key) == DATA for key in found)
    assert found or stale
    assert all(restarted.discard_staged(key) for key in stale)
    assert all(content(restarted, key) == DATA for key in found)


STEPS_OF_JOINING = ["link 1", "link 2", "fsync 1", "rename 1", "fsync 2"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS_OF_JOINING)
def test_a_crash_while_joining_leaves_the_whole_blob_or_none_and_the_sweep_finds_the_rest(
    root: Path, step: str, *, after: bool
) -> None:
    store = DiskBlobs(root, Chance())
    parts = [sealed(store, data).key for data in (b"first", b"second")]
    key = fresh_key()
    with pytest.raises(MachineStops):
        DiskBlobs(root, Chance(), Faults({step: MachineStops()}, after).calls()).join(key, parts)

    restarted = DiskBlobs(root, Chance())
    found, stale = keys(restarted) - set(parts), keys(restarted, staged=True)

    assert found <= {key}
    assert all(content(restarted, each) == b"firstsecond" for each in found)
    assert all(restarted.discard_staged(each) for each in stale)
    assert keys(restarted, staged=True) == set()
    assert [content(restarted, each) for each in parts] == [b"first", b"second"]


@pytest.mark.parametrize("step", ["rename 1", "unlink 2", "unlink 3"])
def test_a_joined_blob_whose_deletion_broke_off_is_never_read_short(root: Path, step: str) -> None:
    store = DiskBlobs(root, Chance())
    key = fresh_key()
    store.join(key, [sealed(store, data).key for data in (b"first", b"second")])
    with pytest.raises(MachineStops):
        DiskBlobs(root, Chance(), Faults({step: MachineStops()}).calls()).delete(key)

    restarted = DiskBlobs(root, Chance())

    assert (content(restarted, key) if key in keys(restarted) else b"firstsecond") == b"firstsecond"
    restarted.delete(key)
    assert all(restarted.discard_staged(each) for each in keys(restarted, staged=True))
    assert key not in keys(restarted) | keys(restarted, staged=True)


def test_a_joined_blob_that_lost_its_first_file_is_not_found(root: Path, store: DiskBlobs) -> None:
    key = fresh_key()
    store.join(key, [sealed(store, data).key for data in (b"first", b"second")])
    (root / "blobs" / key[:2] / key / f"{0:016x}").unlink()

    with pytest.raises(NotFound):
        store.open(key)


def test_a_joined_blob_being_removed_is_not_found(root: Path, store: DiskBlobs) -> None:
    key = fresh_key()
    store.join(key, [sealed(store, b"part").key])
    descriptor = os.open(root / "blobs" / key[:2] / key, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    with pytest.raises(NotFound):
        store.open(key)
    os.close(descriptor)
    assert content(store, key) == b"part"


def test_a_full_disk_while_joining_keeps_nothing_of_it(root: Path) -> None:
    full = OSError(errno.ENOSPC, "no room")
    store = DiskBlobs(root, Chance(), Faults({"fsync 3": full}).calls())
    part = sealed(store, b"part")

    with pytest.raises(StorageFull):
        store.join(fresh_key(), [part.key])

    assert keys(store) == {part.key}
    assert keys(store, staged=True) == set()


@dataclass
class PowerCut:
    """Remembers what was fsynced, and builds the directory that a power cut would leave."""

    faults: Faults
    bytes_kept: dict[int, bytes] = field(default_factory=dict)  # by inode
    names_kept: dict[str, int] = field(default_factory=dict)  # name below blobs/ to inode
    shards: Path = Path()

    def calls(self) -> DiskCalls:
        faulty = self.faults.calls()

        def fsync(descriptor: int) -> None:
            faulty.fsync(descriptor)
            self._keep(Path(f"/proc/self/fd/{descriptor}"))

        return replace(faulty, fsync=fsync)

    def _keep(self, path: Path) -> None:
        if path.is_dir():
            self.names_kept.update(self._names(path.resolve()))
        else:
            self.bytes_kept[path.stat().st_ino] = path.read_bytes()

    def _names(self, folder: Path) -> dict[str, int]:
        return {f"{folder.name}/{path.name}": path.stat().st_ino for path in folder.iterdir()}

    def leaves(self, root: Path, names: str) -> DiskBlobs:
        """Names may outrun the bytes they stand for, or be lost unless their folder was fsynced."""
        store = DiskBlobs(root, Chance())
        kept = dict(self.names_kept)
        if names == "names survive":
            for shard in self.shards.iterdir():
                kept.update(self._names(shard))
        for name, inode in kept.items():
            (root / "blobs" / name).write_bytes(self.bytes_kept.get(inode, b""))
        return store


@pytest.mark.parametrize("names", ["names survive", "names are lost"])
@pytest.mark.parametrize("step", [*STEPS_OF_SEALING, "never"])
def test_a_power_cut_leaves_no_part_of_a_blob_and_keeps_every_acknowledged_one(
    root: Path, tmp_path: Path, step: str, names: str
) -> None:
    cut = PowerCut(Faults({step: MachineStops()}), shards=root / "blobs")
    staged = staged_with(DiskBlobs(root, Chance(), cut.calls()), DATA)
    acknowledged = set()
    try:
        acknowledged.add(staged.seal_as(fresh_key()).key)
    except MachineStops:
        process_ends(staged)

    restarted = cut.leaves(tmp_path / "after", names)

    assert keys(restarted) >= acknowledged
    assert all(content(restarted, key) == DATA for key in keys(restarted))
    assert bool(acknowledged) == (step == "never")


def test_bytes_whose_writing_was_interrupted_are_never_sealed(root: Path) -> None:
    store, _ = disk(root, pwrite_2=MachineStops())
    staged = staged_with(store, b"first")
    with pytest.raises(MachineStops):
        staged.write(5, b"second")

    with pytest.raises(Unavailable):
        staged.seal_as(fresh_key())

    assert keys(store) == set()


def test_staged_bytes_of_another_process_are_swept_only_when_it_is_dead(
    root: Path, store: DiskBlobs
) -> None:
    program = (
        "import sys; from pathlib import Path; from contracts.test_disk_blobs import *\n"
        "staged = staged_with(DiskBlobs(Path(sys.argv[1]), Chance()), b'half')\n"
        "print('staged', flush=True); sys.stdin.read()"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", program, root],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"staged\n"
        (key,) = keys(store, staged=True)
        while_alive = store.discard_staged(key)
        other.kill()

    assert not while_alive
    assert store.discard_staged(key)
    assert keys(store, staged=True) == set()


# The disk fails


@pytest.mark.parametrize("step", ["fsync_1", "fsync_2"])
def test_after_a_failed_fsync_the_upload_fails_for_good_and_the_store_is_unhealthy(
    root: Path, step: str
) -> None:
    store, faults = disk(root, **{step: FailingDisk()})
    staged = staged_with(store, DATA)
    with pytest.raises(Unavailable):
        staged.seal_as(fresh_key())
    fsyncs = faults.seen["fsync"]

    with pytest.raises(Unavailable):
        staged.seal_as(fresh_key())
    with pytest.raises(Unavailable):
        store.check()

    assert faults.seen["fsync"] == fsyncs  # the second time the kernel would have said "fine"


def test_an_unhealthy_store_still_serves_downloads_and_other_uploads(root: Path) -> None:
    store, _ = disk(root, fsync_3=FailingDisk())
    earlier = sealed(store, b"earlier")
    with pytest.raises(Unavailable):
        sealed(store, b"unlucky")

    later = sealed(store, b"later")

    assert content(store, earlier.key) == b"earlier"
    assert content(store, later.key) == b"later"


def test_a_failed_flush_is_told_by_the_next_write_and_the_sealing(root: Path) -> None:
    store, faults = disk(root, fdatasync_1=FailingDisk())
    staged = staged_with(store, b"lost")
    staged.flush()
    staged.flush()

    with pytest.raises(Unavailable):
        staged.write(4, b"more")
    with pytest.raises(Unavailable):
        staged.seal_as(fresh_key())
    with pytest.raises(Unavailable):
        store.check()

    assert (faults.seen["fdatasync"], faults.seen["fsync"]) == (1, 0)


@pytest.mark.parametrize("number", FULL)
def test_a_full_disk_while_writing_keeps_nothing_and_ends_by_itself(
    root: Path, number: int
) -> None:
    store, _ = disk(root, pwrite_2=OSError(number, "planned"))
    staged = staged_with(store, b"first")
    for _ in range(2):
        with pytest.raises(StorageFull):
            staged.write(5, b"second")
    with pytest.raises(StorageFull):
        staged.seal_as(fresh_key())
    staged.discard()

    assert keys(store) | keys(store, staged=True) == set()
    store.check()
    assert content(store, sealed(store, DATA).key) == DATA


@pytest.mark.parametrize("number", FULL)
@pytest.mark.parametrize("step", ["fsync_1", "link_1", "fsync_2"])
def test_a_full_disk_while_sealing_is_no_sign_of_ill_health(
    root: Path, step: str, number: int
) -> None:
    store, _ = disk(root, **{step: OSError(number, "planned")})
    staged = staged_with(store, DATA)
    with pytest.raises(StorageFull):
        staged.seal_as(fresh_key())
    staged.discard()

    store.check()
    assert keys(store, staged=True) == set()
    assert all(content(store, key) == DATA for key in keys(store))


def test_a_full_disk_fails_the_check_until_there_is_room_again(root: Path) -> None:
    no_room = OSError(errno.ENOSPC, "planned")
    store, _ = disk(root, pwrite_1=no_room, fdatasync_1=no_room)
    for _ in range(2):  # once at the write, once at the flush
        with pytest.raises(StorageFull):
            store.check()

    store.check()

    assert keys(store, staged=True) == set()


def test_an_error_while_reading_is_told_as_unavailable(root: Path) -> None:
    store, _ = disk(root, pread_1=FailingDisk())
    reader = store.open(sealed(store, b"data").key)

    with pytest.raises(Unavailable):
        reader.read(4)

    reader.close()


def test_a_blob_that_became_shorter_is_not_served_as_whole(root: Path, store: DiskBlobs) -> None:
    blob = sealed(store, b"0123456789")
    reader = store.open(blob.key)
    os.truncate(blob_file(root, blob.key), 4)

    assert reader.read(100) == b"0123"
    with pytest.raises(Unavailable):
        reader.read(100)

    reader.close()


@pytest.mark.parametrize("order", [(0, 5), (5, 0)])
def test_a_staged_file_that_became_shorter_is_not_sealed(
    root: Path, store: DiskBlobs, order: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "CATCH_UP_BYTES", 0)  # so that one order is digested at the sealing
    staged = store.stage()
    for offset in order:
        staged.write(offset, b"12345")
    os.truncate(staging_file(root), 2)

    with pytest.raises(Unavailable):
        staged.seal_as(fresh_key())

    assert keys(store) == set()


def test_what_cannot_be_discarded_is_left_to_the_sweep(root: Path) -> None:
    store, _ = disk(root, unlink_1=FailingDisk())
    staged = staged_with(store, b"data")

    staged.discard()

    (key,) = keys(store, staged=True)
    assert store.discard_staged(key)


def test_a_file_system_without_locks_is_unavailable_and_costs_no_descriptor(
    store: DiskBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, f"no lock {operation} for {descriptor}")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = open_descriptors()

    with pytest.raises(Unavailable):
        store.stage()

    assert open_descriptors() == before


def test_a_missing_directory_of_blobs_is_not_taken_for_a_missing_blob(
    root: Path, store: DiskBlobs
) -> None:
    blob = sealed(store, b"data")
    (root / "blobs" / blob.key[:2]).rename(root / "elsewhere")

    with pytest.raises(Unavailable):
        store.open(blob.key)


def test_a_root_without_a_parent_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        DiskBlobs(tmp_path / "not mounted" / "store", Chance())


# Links and names that somebody planted


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory that nothing may reach, with one file."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "secret").write_bytes(b"secret")
    return path


def test_a_link_in_place_of_a_directory_of_blobs_is_not_followed(
    root: Path, store: DiskBlobs, outside: Path
) -> None:
    key = fresh_key()
    (outside / key).write_bytes(b"secret")
    shard = root / "blobs" / key[:2]
    shard.rmdir()
    shard.symlink_to(outside)
    staged = staged_with(store, b"data")

    for use in (staged.seal_as, store.open, store.delete):
        with pytest.raises(Unavailable):
            use(key)
    with pytest.raises(Unavailable):
        list(store.keys())

    assert {path.read_bytes() for path in outside.iterdir()} == {b"secret"}


@pytest.mark.parametrize("planted", ["link", "file"])
def test_a_staged_file_that_was_swapped_is_not_sealed(
    root: Path, store: DiskBlobs, outside: Path, planted: str
) -> None:
    staged = staged_with(store, b"mine")
    path = staging_file(root)
    path.unlink()
    if planted == "link":
        path.symlink_to(outside / "secret")
    else:
        path.write_bytes(b"evil")

    with pytest.raises(Unavailable):
        staged.seal_as(fresh_key())

    staged.discard()
    assert keys(store) == set()
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_link_among_the_staged_files_is_neither_opened_nor_listed(
    root: Path, store: DiskBlobs, outside: Path
) -> None:
    key = fresh_key()
    (root / "staging" / key).symlink_to(outside / "secret")

    with pytest.raises(Unavailable):
        DiskBlobs(root, Always(key)).stage()
    with pytest.raises(Unavailable):
        store.discard_staged(key)

    assert keys(store, staged=True) == set()
    assert (outside / "secret").read_bytes() == b"secret"


def test_bytes_are_never_staged_in_a_file_that_exists(root: Path, store: DiskBlobs) -> None:
    key = fresh_key()
    (root / "staging" / key).write_bytes(b"another's")

    with pytest.raises(Unavailable):
        DiskBlobs(root, Always(key)).stage()

    assert store.discard_staged(key)


def test_a_link_in_place_of_a_blob_is_not_followed(
    root: Path, store: DiskBlobs, outside: Path
) -> None:
    key = fresh_key()
    blob_file(root, key).symlink_to(outside / "secret")

    with pytest.raises(Unavailable):
        store.open(key)
    store.delete(key)

    assert (outside / "secret").read_bytes() == b"secret"


@pytest.mark.parametrize("name", ["staging", "blobs"])
def test_a_link_below_the_root_stops_the_start(root: Path, outside: Path, name: str) -> None:
    root.mkdir()
    (root / name).symlink_to(outside)

    with pytest.raises(Unavailable):
        DiskBlobs(root, Chance())

    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_directories_swapped_while_running_do_not_divert_an_upload(
    root: Path, store: DiskBlobs, outside: Path
) -> None:
    for name in ("staging", "blobs"):
        (root / name).rename(root / f"real {name}")
        (root / name).symlink_to(outside)

    assert content(store, sealed(store, b"data").key) == b"data"
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_the_operator_may_place_the_root_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "volume")
    store = DiskBlobs(tmp_path / "link", Chance())

    assert content(store, sealed(store, b"data").key) == b"data"


def test_what_is_not_ours_is_not_listed(root: Path, store: DiskBlobs) -> None:
    (root / "staging" / "lost+found").mkdir()
    os.mkfifo(root / "staging" / fresh_key())
    (root / "blobs" / "00" / ".nfs000001").write_bytes(b"")

    assert keys(store) | keys(store, staged=True) == set()


def test_staged_bytes_that_end_while_they_are_listed_are_left_out(store: DiskBlobs) -> None:
    live = [staged_with(store, b"data") for _ in range(2)]
    listing = store.keys(staged=True)
    next(listing)
    for staged in live:
        staged.discard()

    assert list(listing) == []


def test_only_the_exchange_itself_may_read_what_is_stored(root: Path, store: DiskBlobs) -> None:
    blob = sealed(store, b"private")
    staged = staged_with(store, b"private")

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}

    assert modes == {0o700, 0o600}
    assert blob_file(root, blob.key).stat().st_nlink == 1
    staged.discard()


def test_a_blob_is_as_old_as_its_sealing_so_that_a_slow_upload_is_not_swept_at_once(
    root: Path, store: DiskBlobs
) -> None:
    staged = staged_with(store, b"data")
    os.utime(staging_file(root), (0, 0))  # no byte came for a long time
    (last_byte,) = store.keys(staged=True)

    staged.seal_as(fresh_key())

    (blob,) = store.keys()
    assert last_byte.modified_at.year == 1970
    assert blob.modified_at.year > 2000


# Threads


def held(real: Callable[..., Any], entered: Event, go: Event) -> Callable[..., Any]:
    """The real call, which first waits until the test says go."""

    def call(*args: Any) -> Any:
        entered.set()
        assert go.wait(10)
        return real(*args)

    return call


def test_writing_goes_on_while_a_flush_is_under_way(root: Path) -> None:
    entered, go = Event(), Event()
    calls = DiskCalls(fdatasync=held(os.fdatasync, entered, go))
    store = DiskBlobs(root, Chance(), calls)
    staged = staged_with(store, b"before")
    flushing = Thread(target=staged.flush)
    flushing.start()
    assert entered.wait(10)

    staged.write(6, b" and after")

    go.set()
    flushing.join()
    assert content(store, staged.seal_as(fresh_key()).key) == b"before and after"


@pytest.mark.parametrize("name", ["pwrite", "fdatasync"])
def test_discarding_waits_for_the_call_that_uses_the_descriptor(root: Path, name: str) -> None:
    entered, go = Event(), Event()
    calls = replace(DiskCalls(), **{name: held(getattr(os, name), entered, go)})
    store = DiskBlobs(root, Chance(), calls)
    staged = store.stage()
    use = staged.flush if name == "fdatasync" else lambda: staged.write(0, b"data")
    using, discarding = Thread(target=use), Thread(target=staged.discard)
    using.start()
    assert entered.wait(10)
    discarding.start()

    assert keys(store, staged=True)  # not yet, and the descriptor is still this file's
    go.set()
    using.join()
    discarding.join()

    assert not keys(store, staged=True)
    assert staged._failure is None


def test_a_store_that_is_forgotten_gives_its_descriptors_back(root: Path) -> None:
    before = open_descriptors()
    store = DiskBlobs(root, Chance())
    sealed(store, b"data")
    staged_with(store, b"data").discard()

    del store

    assert open_descriptors() == before
