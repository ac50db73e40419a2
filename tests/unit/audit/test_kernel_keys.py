"""Hand-overs of keys and cosignatures of witnesses: notes that hold, and notes that don't."""

import base64
import struct
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.audit.kernel import chain, keys, merkle, witness

NAME = "example.test/audit"
ONE, TWO, THREE = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))
LINES = [chain.verifier_key(NAME, key.public_key()) for key in (ONE, TWO, THREE)]
LEAVES = [merkle.leaf_hash(bytes([n])) for n in range(40)]


def head(size):
    return chain.Checkpoint(NAME, size, merkle.root_of(LEAVES[:size]))


FIRST = keys.hand_over(head(5), LINES[0], ONE, TWO)
SECOND = keys.hand_over(head(9), LINES[1], TWO, THREE)


@pytest.mark.parametrize("trusted", LINES)
def test_any_key_of_the_chain_leads_to_the_others(trusted):
    ring = keys.make_ring(trusted, [FIRST, SECOND])
    assert [key.line for key in ring.keys] == LINES
    assert [(key.after, key.until) for key in ring.keys] == [(0, 5), (5, 9), (9, None)]
    for size, key in ((5, ONE), (6, TWO), (9, TWO), (10, THREE)):
        assert ring.open(chain.sign(head(size), key)) == head(size)
        for other in {ONE, TWO, THREE} - {key}:
            with pytest.raises(ValueError, match="no valid signature"):
                ring.open(chain.sign(head(size), other))


def test_a_published_file_reads_back():
    text = keys.write_keys(LINES[2], [FIRST, SECOND])
    assert keys.read_keys(text) == (LINES[2], (FIRST, SECOND))
    assert keys.read_keys(f"{LINES[0]}\n") == (LINES[0], ())
    assert [key.line for key in keys.read_ring(text).keys] == LINES


def test_a_note_without_the_old_signature_leads_back_and_not_on():
    alone = keys.hand_over(head(5), LINES[0], None, TWO)
    assert len(keys.make_ring(LINES[0], [alone]).keys) == 1
    assert len(keys.make_ring(LINES[1], [alone]).keys) == 2


def test_a_forged_note_leads_nowhere():
    forged = keys.hand_over(head(5), LINES[0], THREE, TWO)
    assert len(keys.make_ring(LINES[0], [forged]).keys) == 1
    with pytest.raises(ValueError, match="another log"):
        keys.make_ring(chain.verifier_key("other.test/audit", ONE.public_key()), [FIRST])
    with pytest.raises(ValueError, match="five lines"):
        keys.read_handover(chain.sign(head(5), ONE))


def proof(old, new):
    def read(level, first, last):
        return [merkle.root_of(LEAVES[i << level : (i + 1) << level]) for i in range(first, last)]

    return merkle.consistency_proof(old, new, read)


def test_a_witness_signs_what_extends_what_it_saw():
    ring = keys.make_ring(LINES[0])
    kept, newer = chain.sign(head(7), ONE), chain.sign(head(20), ONE)
    assert witness.check_extends(ring, "", kept, [])
    assert witness.check_extends(ring, kept, newer, proof(7, 20))
    assert not witness.check_extends(ring, kept, kept, [])
    with pytest.raises(witness.NotExtended, match="the witness has seen 20"):
        witness.check_extends(ring, newer, kept, [])
    with pytest.raises(witness.NotExtended, match="does not extend"):
        witness.check_extends(ring, kept, newer, proof(8, 20))
    fork = chain.sign(chain.Checkpoint(NAME, 7, bytes(32)), ONE)
    with pytest.raises(witness.NotExtended):
        witness.check_extends(ring, fork, kept, [])
    with pytest.raises(ValueError, match="signature"):
        witness.check_extends(ring, kept, chain.sign(head(20), TWO), proof(7, 20))


def test_a_cosignature_is_as_c2sp_says():
    """Built here by hand from the text of tlog-cosignature, and read by the code."""
    name, seconds, note = "witness.test/w", 1_700_000_000, chain.sign(head(7), ONE)
    text = note.partition("\n\n")[0] + "\n"
    public = TWO.public_key().public_bytes_raw()
    identity = sha256(name.encode() + b"\n\x04" + public).digest()[:4]
    signed = TWO.sign(f"cosignature/v1\ntime {seconds}\n{text}".encode())
    data = base64.b64encode(identity + struct.pack(">Q", seconds) + signed).decode()
    by_hand = f"{note}\u2014 {name} {data}\n"
    assert witness.cosign(note, name, TWO, seconds=seconds) == by_hand
    assert witness.read_cosignature(by_hand, name, TWO.public_key()) == seconds
    line = f"{name}+{identity.hex()}+{base64.b64encode(bytes([4]) + public).decode()}"
    assert witness.witness_key(name, TWO.public_key()) == line
    assert witness.read_witness_key(line)[0] == name
    assert chain.open_note(by_hand, NAME, ONE.public_key()) == head(7)


def test_a_changed_cosignature_is_refused():
    note = witness.cosign(chain.sign(head(7), ONE), "w", TWO, seconds=5)
    for bad in (note.replace("\n7\n", "\n8\n"), note[:-4] + "A==\n", chain.sign(head(7), ONE)):
        with pytest.raises(ValueError, match=r"cosignature|base64"):
            witness.read_cosignature(bad, "w", TWO.public_key())
    with pytest.raises(ValueError, match="cosignature"):
        witness.read_cosignature(note, "w", THREE.public_key())
    with pytest.raises(ValueError, match="witness's key"):
        witness.read_witness_key(LINES[0])
