"""The tree against the reference roots of RFC 6962 and thousands of generated proofs."""

import numpy as np
import pytest

from apps.audit.kernel import merkle

# Inputs and roots of the reference tests of Certificate Transparency (RFC 6962).
INPUTS = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    bytes(range(0x50, 0x58)),
    bytes(range(0x60, 0x70)),
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZE = 70
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(SIZE)]
TREE_ROOTS = [merkle.root_of(LEAVES[:size]) for size in range(SIZE + 1)]


def read(level, first, last):
    assert level == 0
    return LEAVES[first:last]


@pytest.mark.parametrize("size", range(1, 9))
def test_root_equals_the_reference(size):
    leaves = [merkle.leaf_hash(data) for data in INPUTS[:size]]
    assert merkle.root_of(leaves).hex() == ROOTS[size - 1]


def test_root_of_nothing_is_the_hash_of_nothing():
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.root_of([]).hex() == empty


@pytest.mark.parametrize("size", range(1, SIZE + 1))
def test_every_inclusion_proof_verifies_and_no_corrupted_one(size):
    root = TREE_ROOTS[size]
    for index in range(size):
        proof = merkle.inclusion_proof(index, size, read)
        leaf = LEAVES[index]
        assert merkle.verify_inclusion(leaf, index, size, proof, root)
        assert (
            not merkle.verify_inclusion(LEAVES[index - 1], index, size, proof, root) or size == 1
        )
        assert not merkle.verify_inclusion(leaf, index, size, proof, b"\0" * 32)
        assert not merkle.verify_inclusion(leaf, index, size, [*proof, leaf], root)
        assert not merkle.verify_inclusion(leaf, size, size, proof, root)
        for at in range(len(proof)):
            assert not merkle.verify_inclusion(leaf, index, size, flipped(proof, at), root)
            assert not merkle.verify_inclusion(leaf, index, size, without(proof, at), root)


@pytest.mark.parametrize("new", range(1, SIZE + 1))
def test_every_consistency_proof_verifies_and_no_corrupted_one(new):
    for old in range(1, new):
        proof = merkle.consistency_proof(old, new, read)
        old_root, new_root = TREE_ROOTS[old], TREE_ROOTS[new]
        assert merkle.verify_consistency(old, new, proof, old_root, new_root)
        assert not merkle.verify_consistency(old, new, proof, TREE_ROOTS[old - 1], new_root)
        assert not merkle.verify_consistency(old, new, proof, old_root, TREE_ROOTS[new - 1])
        assert not merkle.verify_consistency(old, new, [], old_root, new_root)
        for at in range(len(proof)):
            assert not merkle.verify_consistency(old, new, flipped(proof, at), old_root, new_root)
            assert not merkle.verify_consistency(old, new, without(proof, at), old_root, new_root)


def test_a_tree_is_consistent_with_itself_only_by_an_empty_proof():
    assert merkle.verify_consistency(5, 5, [], TREE_ROOTS[5], TREE_ROOTS[5])
    assert not merkle.verify_consistency(5, 5, [LEAVES[0]], TREE_ROOTS[5], TREE_ROOTS[5])
    assert not merkle.verify_consistency(6, 5, [LEAVES[0]], TREE_ROOTS[6], TREE_ROOTS[5])


def test_proofs_are_refused_outside_the_tree():
    with pytest.raises(ValueError, match="leaf 7 is not in a tree of 7"):
        merkle.inclusion_ranges(7, 7)
    with pytest.raises(ValueError, match="no proof"):
        merkle.consistency_ranges(8, 7)


def test_proofs_from_tiles_equal_proofs_from_leaves():
    size = 66_000
    leaves = [merkle.leaf_hash(number.to_bytes(4)) for number in range(size)]
    tree, tiles = merkle.Tree(), []
    for leaf in leaves:
        tiles += tree.add(leaf)
    above = {
        8: [t.root for t in tiles if t.level == 0],
        16: [t.root for t in tiles if t.level == 1],
    }
    reads = []

    def from_tiles(level, first, last):
        reads.append(last - first)
        return above[level][first:last] if level else leaves[first:last]

    assert tree.edge.root() == merkle.root_of(leaves)
    assert [len(above[8]), len(above[16])] == [257, 1]
    generator = np.random.default_rng(1)
    for wanted in (size, 65_536, 65_535, 4097, 257, 256):
        root = merkle.root_of(leaves[:wanted])
        for index in [0, wanted - 1, *generator.integers(wanted, size=20).tolist()]:
            reads.clear()
            proof = merkle.inclusion_proof(index, wanted, from_tiles)
            assert merkle.verify_inclusion(leaves[index], index, wanted, proof, root)
            assert sum(reads) < 2000
            old = index + 1
            steps = merkle.consistency_proof(old, wanted, from_tiles)
            old_root = merkle.root_of(leaves[:old])
            assert merkle.verify_consistency(old, wanted, steps, old_root, root)


def test_a_copied_tree_grows_by_itself():
    tree = merkle.Tree()
    tree.add(LEAVES[0])
    copy = tree.copy()
    copy.add(LEAVES[1])
    assert tree.edge.root() == TREE_ROOTS[1]
    assert copy.edge.root() == TREE_ROOTS[2]


def flipped(proof, at):
    changed = bytes([proof[at][0] ^ 1]) + proof[at][1:]
    return [*proof[:at], changed, *proof[at + 1 :]]


def without(proof, at):
    return [*proof[:at], *proof[at + 1 :]]
