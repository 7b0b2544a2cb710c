"""The load/store bound of a loop: only the reads of x (z, dy) and writes of y (dx) of one iteration, as instructions
without any dependency, for the same model of the processor to judge. Nothing that computes the same from the same
memory, vector by vector, takes fewer cycles there."""

# Registers with the addresses of tensors. Each access has a place of its own, so that none waits for another.
ADDRESS = {
    "x86-64": ("%rdi", "%rsi", "%rdx", "%rcx"),
    "arm-64": ("x0", "x1", "x2", "x3"),
    "arm-32": ("r0", "r1", "r2", "r3"),
}


def listings(accesses, target):
    """The candidates, as lists of instructions: the bound is what the best of them takes. On ARM vectors also travel in
    pairs; which way is cheaper depends on the processor."""
    arch, element_bytes, vector_bytes = target.arch, target.element_bytes, target.vector_bytes
    streams = {}  # (tensor, is_store) -> [whole vectors, single elements]
    for access in accesses:
        whole, rest = divmod(access.lanes, target.lanes)
        stream = streams.setdefault((access.tensor, access.is_store), [0, 0])
        stream[0] += whole
        # What is no whole vector: one instruction all the same (masked, or a narrow one).
        stream[1] += bool(rest)
    result = []
    for pairs in ((False,) if arch == "x86-64" else (False, True)):
        listing, register = [], 0
        for address, ((_, is_store), (whole, rest)) in zip(ADDRESS[arch], streams.items()):
            width = 2 if pairs else 1
            for i in range(0, whole, width):
                count = min(width, whole - i)
                listing.append(vector(arch, is_store, address, i * vector_bytes, register, count, vector_bytes))
                register = (register + 2) % 8
            for i in range(rest):
                offset = whole * vector_bytes + i * element_bytes
                listing.append(single(arch, is_store, address, offset, register, element_bytes))
                register = (register + 2) % 8
        if listing not in result:
            result.append(listing)
    return result


def vector(arch, is_store, address, offset, register, count, vector_bytes):
    register += 8 if is_store else 0  # stores do not wait for the loads
    if arch == "x86-64":
        name = {16: "xmm", 32: "ymm", 64: "zmm"}[vector_bytes]
        mov = "movups" if vector_bytes == 16 else "vmovups"
        return order(f"{mov} ", f"{offset}({address})", f"%{name}{register}", is_store)
    if arch == "arm-64":
        if count == 2:
            return f"{'stp' if is_store else 'ldp'} q{register}, q{register + 1}, [{address}, #{offset}]"
        return f"{'str' if is_store else 'ldr'} q{register}, [{address}, #{offset}]"
    first = 2 * register
    names = ", ".join(f"d{first + i}" for i in range(2 * count))
    return f"{'vst1.32' if is_store else 'vld1.32'} {{{names}}}, [{address}]"


def single(arch, is_store, address, offset, register, element_bytes):
    register += 8 if is_store else 0
    if arch == "x86-64":
        mov = "movss" if element_bytes == 4 else "movsd"
        return order(f"{mov} ", f"{offset}({address})", f"%xmm{register}", is_store)
    name = "s" if element_bytes == 4 else "d"
    if arch == "arm-64":
        return f"{'str' if is_store else 'ldr'} {name}{register}, [{address}, #{offset}]"
    return f"{'vstr' if is_store else 'vldr'} {name}{register}, [{address}, #{offset}]"


def order(mnemonic, memory, register, is_store):
    return f"{mnemonic}{register}, {memory}" if is_store else f"{mnemonic}{memory}, {register}"
