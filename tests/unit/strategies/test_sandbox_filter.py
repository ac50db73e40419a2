"""The filter of system calls, run over by hand on both processors: what it answers to a number."""

import importlib
import json
import struct
import sys
from pathlib import Path

import pytest

from apps.strategies.sandbox import tree

ALLOW, DIE, REFUSE, UNKNOWN = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# From the kernel's headers, not from the table that is tested.
HEADERS = json.loads((Path(__file__).parents[2] / "data/strategies/system_calls.json").read_text())
ME, HIGHEST = 4321, 470


@pytest.fixture(scope="module")
def inside():
    """The modules as they lie in the sandbox, beside each other."""
    sys.path.insert(0, str(tree.INSIDE))
    try:
        yield importlib.import_module("guard"), importlib.import_module("calls")
    finally:
        sys.path.remove(str(tree.INSIDE))
        for name in ("guard", "calls"):
            sys.modules.pop(name, None)


def answer(program, arch, number, arguments=()):
    """Return what a filter of classic BPF answers, as the kernel would go through it."""
    six = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0, *six)
    at = loaded = 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            (loaded,) = struct.unpack_from("<I", data, value)
            continue
        holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
        at += if_true if holds else if_false


@pytest.mark.parametrize("machine", ARCHES)
def test_numbers_are_those_of_the_kernels_headers(inside, machine):
    _, calls = inside
    known = HEADERS["numbers"][machine]
    for table in (calls.ALLOWED, calls.DEADLY, calls.SOME, calls.OWN):
        found = calls.numbers(table, machine)
        assert found == {name: known[name] for name in found}
        names = {entry.split()[0] for entry in table.split(",")}
        assert not (names - set(found)) & set(known)


@pytest.mark.parametrize("machine", ARCHES)
def test_each_number_has_the_answer_of_its_list_and_any_other_is_refused(inside, machine):
    guard, calls = inside
    program, arch = guard.instructions(ME, machine), ARCHES[machine]
    listed = {
        **dict.fromkeys(calls.numbers(calls.ALLOWED, machine).values(), ALLOW),
        **dict.fromkeys(calls.numbers(calls.DEADLY, machine).values(), DIE),
    }
    some = calls.numbers(calls.SOME, machine)
    listed[some["clone3"]] = UNKNOWN
    apart = {some[name] for name in ("clone", "ioctl", "prlimit64", "kill", "tgkill")}
    for number in range(HIGHEST):
        if number not in apart:
            assert answer(program, arch, number) == listed.get(number, REFUSE), number
    own = calls.numbers(calls.OWN, machine).values()
    assert {answer(program, arch, number) for number in own} == {REFUSE}


@pytest.mark.parametrize("machine", ARCHES)
def test_threads_go_and_processes_and_namespaces_do_not(inside, machine):
    guard, calls = inside
    program, arch = guard.instructions(ME, machine), ARCHES[machine]
    some = calls.numbers(calls.SOME, machine)
    thread, fork, namespace = 0x3D0F00, 0x01200011, 0x10000000
    assert answer(program, arch, some["clone"], [thread]) == ALLOW
    assert answer(program, arch, some["clone"], [fork]) == REFUSE
    assert answer(program, arch, some["clone"], [thread | namespace]) == REFUSE
    for name in ("kill", "tgkill"):
        assert answer(program, arch, some[name], [ME, 0, 0]) == ALLOW
        assert answer(program, arch, some[name], [1, 0, 0]) == REFUSE
    assert answer(program, arch, some["prlimit64"], [0, 7, 0]) == ALLOW
    for arguments in ([1, 7, 0], [0, 7, 8], [0, 7, 1 << 32]):
        assert answer(program, arch, some["prlimit64"], arguments) == REFUSE
    assert answer(program, arch, some["ioctl"], [1, 0x5401]) == ALLOW
    assert answer(program, arch, some["ioctl"], [1, 0x5412]) == REFUSE


def test_calls_of_another_processor_end_the_process(inside):
    guard, _ = inside
    for machine, arch in ARCHES.items():
        program = guard.instructions(ME, machine)
        others = [0x40000003, *(one for one in ARCHES.values() if one != arch)]
        assert {answer(program, other, 0) for other in others} == {DIE}
    x86 = guard.instructions(ME, "x86_64")
    assert answer(x86, ARCHES["x86_64"], 0x40000000 | 39) == DIE
    assert len(x86) < 4096


def test_a_processor_without_a_list_is_refused(inside, monkeypatch):
    guard, _ = inside
    monkeypatch.setattr(guard.os, "uname", lambda: type("U", (), {"machine": "riscv64"}))
    with pytest.raises(guard.Missing, match="no list of system calls for riscv64"):
        guard.close_fences({"memory": 1, "cpu_seconds": 1, "threads": 1}, ["/"])
