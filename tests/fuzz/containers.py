"""Mutations inside containers: what is packed is changed and packed again, with lengths and checksums that are right.

A part of the inputs is changed from outside all the same, and some get a length or checksum that lies.
"""

from __future__ import annotations

import gzip as gz
import io
import json
import struct
import warnings
import zipfile
import zlib
from math import prod
from random import Random
from typing import Any

from tests.fuzz.trees import SIZES, Change, Mutator, changed_tree, json_document

WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}
"""Bytes of safetensors' types."""
MOST = 2**14
"""Bytes that are made up to fit a declared shape."""


def mostly(mutator: Mutator) -> Mutator:
    """The mutator, but for one input in eight, which is changed from outside."""

    def mutate(data: bytes, rng: Random, change: Change) -> bytes:
        return mutator(data, rng, change) if rng.random() < 0.875 else change(data)

    return mutate


def gzip(inner: Mutator) -> Mutator:
    """A gzip file of what `inner` makes; sometimes two members, one after the other."""

    def mutate(data: bytes, rng: Random, change: Change) -> bytes:
        try:
            content = gz.decompress(data)
        except (OSError, EOFError, zlib.error):
            return change(data)
        packed = gz.compress(inner(content, rng, change), mtime=0)
        return packed + rng.choice([b"", b"", b"", gz.compress(b"\0", mtime=0), b"\0"])

    return mutate


def safetensors(data: bytes, rng: Random, change: Change) -> bytes:
    """A safetensors file with changes in its header, in the documents among its metadata, or in its arrays."""
    try:
        length = int.from_bytes(data[:8], "little")
        header, content = json.loads(data[8 : 8 + length]), data[8 + length :]
        metadata = header.get("__metadata__", {})
        action = rng.choice(["header", "metadata", "document", "document", "document", "document", "array", "array"])
        if action == "header":
            header = changed_tree(header, rng, change)
        elif action == "metadata":
            values = ["", "1", "2", "{}", "null", "gcnn-model", "gcnn-checkpoint"]
            header["__metadata__"] = changed_tree(metadata, rng, change, values)
        elif action == "document":
            name, *_ = rng.choices(sorted(metadata), [len(metadata[name]) for name in sorted(metadata)])
            metadata[name] = json_document(metadata[name].encode(), rng, change).decode("utf-8", "replace")
        else:
            header, content = _arrays(header, content, rng, change)
        packed = json.dumps(header).encode()
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return change(data)
    packed += b" " * (-len(packed) % 8)
    return len(packed).to_bytes(8, "little") + packed + content


def _arrays(header: dict[str, Any], content: bytes, rng: Random, change: Change) -> tuple[dict[str, Any], bytes]:
    """One array changed in name, type, shape or values, all of them laid end to end again."""
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    arrays = {name: (entry, content[slice(*entry["data_offsets"])]) for name, entry in entries.items()}
    name = rng.choice(sorted(arrays))
    entry, values = arrays.pop(name)
    action = rng.choice(["drop", "rename", "twice", "type", "shape", "values", "values"])
    if action == "type":
        entry["dtype"] = rng.choice(sorted(WIDTHS))
    elif action == "shape":
        entry["shape"] = rng.choice(
            [[], [1, *entry["shape"]], [0], [n + 1 for n in entry["shape"]], [0, 2**63], [0] * 70]
        )
    elif action == "values":
        special = struct.pack("<f", rng.choice([float("nan"), float("inf"), 3e38, 1e-45])) * (len(values) // 4)
        values = rng.choice([special, change(values)])
    if action != "drop":
        other = rng.choice([*arrays, "theta", "slot.m", "callback.0.theta", "", "__metadata__ "])
        arrays |= {rng.choice([other, name]) if action == "rename" else name: (entry, values)}
        arrays |= {other: (dict(entry), values)} if action == "twice" else {}
    packed, blocks = {"__metadata__": header["__metadata__"]}, b""
    for key, (entry, values) in arrays.items():
        size = prod(n for n in entry["shape"] if isinstance(n, int)) * WIDTHS[entry["dtype"]]
        block = values.ljust(size, b"\0")[:size] if 0 <= size <= MOST else values
        packed[key] = entry | {"data_offsets": [len(blocks), len(blocks) + len(block)]}
        blocks += block
    return packed, blocks


def idx(data: bytes, rng: Random, change: Change) -> bytes:
    """An IDX file with another type, number of dimensions, sizes or values; mostly as long as its header says."""
    dimensions = data[3] if len(data) > 3 else 0
    values = data[4 + 4 * dimensions :]
    if len(data) < 4 + 4 * dimensions:
        return change(data)
    code, sizes = data[2], list(struct.unpack(f">{dimensions}I", data[4 : 4 + 4 * dimensions]))
    action = rng.choice(["code", "size", "size", "less", "more", "values"])
    if action == "code":
        code = rng.choice([0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E, 0x0A, 0])
    elif action == "size" and sizes:
        place = rng.randrange(len(sizes))
        sizes[place] = rng.choice([sizes[place] + 1, sizes[place] // 2, rng.choice(SIZES)]) % 2**32
    elif action == "less":
        sizes = sizes[1:]
    elif action == "more":
        sizes += rng.choice([[1], [1] * 32, [1] * 64, [0], [0, 2**32 - 1]])
    else:
        values = change(values)
    length = prod(sizes) * {0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}.get(code, 1)
    if length <= MOST and rng.random() < 0.75:
        values = values.ljust(length, b"\0")[:length]
    return bytes([0, 0, code, len(sizes) % 256]) + struct.pack(f">{len(sizes)}I", *sizes) + values


TYPES = ["|u1", "|i1", "|b1", "<f2", "<f4", ">f4", "<f8", "<f16", "<i8", ">u8", "<c8", "|O", "|V4", "<U1", "<M8[s]"]


def npy(data: bytes, rng: Random, change: Change) -> bytes:
    """An .npy file with another type, shape or order, or with its header changed as text."""
    end = data.find(b"\n") + 1
    fields = {"descr": "'<f4'", "fortran_order": "False", "shape": "(2,)"}
    for name in fields:
        text = data[10:end].decode("latin-1").partition(f"'{name}': ")[2]
        fields[name] = text.partition(", '" if "', " in text or ", '" in text else ", }")[0] or fields[name]
    values = data[end:]
    action = rng.choice(["type", "shape", "shape", "order", "text", "values"])
    if action == "type":
        fields["descr"] = rng.choice([*map(repr, TYPES), "[('a', '<f4'), ('b', '|O')]", "('<f4', (2,))", "None"])
    elif action == "shape":
        sizes = [int(n) for n in fields["shape"].strip("() ").split(",") if n.strip().isdigit()]
        near = [sizes[1:], [*sizes, 1], [n + 1 for n in sizes], sizes[::-1], [rng.choice(SIZES)] * 2]
        fields["shape"] = str(tuple(rng.choice([*near, [0], [-1], [1] * 70])))
    elif action == "order":
        fields["fortran_order"] = rng.choice(["True", "False", "1"])
    elif action == "values":
        values = change(values)
    header = f"{{{', '.join(f'{name!r}: {value}' for name, value in fields.items())}, }}".encode("latin-1", "replace")
    header = change(header) if action == "text" else header
    if rng.random() < 0.75:
        values = _fitting(fields, values)
    return b"\x93NUMPY\1\0" + struct.pack("<H", (len(header) + 1) % 2**16) + header + b"\n" + values


def _fitting(fields: dict[str, str], values: bytes) -> bytes:
    """As many bytes as a header asks for, if they are few."""
    digits = fields["descr"].strip("'")[2:3]
    sizes = [int(n) for n in fields["shape"].strip("() ").split(",") if n.strip().isdigit()]
    length = prod(sizes) * (int(digits) if digits.isdigit() else 1) * (1 + 7 * fields["descr"].startswith("'<M8"))
    return values.ljust(length, b"\0")[:length] if length <= MOST else values


DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, ValueError, EOFError, RuntimeError, OSError)
"""What `zipfile` raises on files that are no zips."""


def npz(data: bytes, rng: Random, change: Change) -> bytes:
    """A zip with a member changed, renamed, dropped, doubled or packed in another way; or one whose directory lies."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            small = [member for member in archive.infolist() if member.file_size <= MOST]
            members = [(member.filename, archive.read(member), member.compress_type) for member in small]
    except DAMAGE:
        return change(data)
    if not members or rng.random() < 0.25:
        return _lying(data, rng)
    place = rng.randrange(len(members))
    name, content, method = members[place]
    action = rng.choice(["content", "content", "content", "name", "drop", "double", "method"])
    if action == "content":
        content = npy(content, rng, change)
    elif action == "name":
        name = rng.choice(["x", "y", "t", "X", "images", "labels", "x_test", "train_x", "../x", "", "x.npy"]) + ".npy"
    elif action == "method":
        method = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    members[place : place + 1] = [] if action == "drop" else [(name, content, method)] * (1 + (action == "double"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that stand twice
        for name, content, method in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return packed.getvalue()


def _lying(data: bytes, rng: Random) -> bytes:
    """One two- or four-byte field of a zip's headers replaced."""
    signature = rng.choice([b"PK\1\2", b"PK\1\2", b"PK\3\4", b"PK\5\6"])
    places = [i for i in range(len(data)) if data.startswith(signature, i)]
    if not places:
        return data
    start = rng.choice(places) + 4 + 2 * rng.randrange(20)
    size = rng.choice([2, 4])
    return data[:start] + (rng.choice(SIZES) % 256**size).to_bytes(size, "little") + data[start + size :]


def png(data: bytes, rng: Random, change: Change) -> bytes:
    """A PNG file with a chunk changed, dropped, doubled or added; checksums are right, and pixels are packed again."""
    chunks, start = [], 8
    while start + 12 <= len(data) and data.startswith(b"\x89PNG"):
        size = int.from_bytes(data[start : start + 4], "big")
        chunks.append((data[start + 4 : start + 8], data[start + 8 : start + 8 + size]))
        start += 12 + size
    if not chunks:
        return change(data)
    place = rng.randrange(len(chunks))
    kind, content = chunks[place]
    action = rng.choice(["content", "content", "content", "drop", "double", "add"])
    if action == "content" and kind == b"IDAT":
        try:
            content = zlib.compress(change(zlib.decompress(content)))
        except zlib.error:
            content = change(content)
    elif action == "content" and kind == b"IHDR" and rng.random() < 0.5:
        width, height = (rng.choice([*SIZES, 4, 5]) % 2**32 for _ in "wh")
        content = struct.pack(">II", width, height) + content[8:]
    elif action == "content":
        content = change(content)
    extra = (rng.choice([b"tRNS", b"PLTE", b"iCCP", b"acTL", b"tEXt", b"zTXt", b"eXIf", b"gAMA"]), rng.randbytes(6))
    new = {"drop": [], "double": [(kind, content)] * 2, "add": [(kind, content), extra]}
    chunks[place : place + 1] = new.get(action, [(kind, content)])
    return data[:8] + b"".join(
        len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
        for kind, content in chunks
    )


def numbered(inner: Mutator) -> Mutator:
    """One byte that chooses, and what `inner` makes, plain or packed by gzip."""
    packed = gzip(inner)

    def mutate(data: bytes, rng: Random, change: Change) -> bytes:
        number, content = data[:1] or b"\0", data[1:]
        if rng.random() < 0.1:
            number = rng.randbytes(1)
        return number + (packed if content.startswith(b"\x1f\x8b") else inner)(content, rng, change)

    return mutate
