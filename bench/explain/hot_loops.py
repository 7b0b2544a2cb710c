"""The innermost loops of a kernel's assembly that walk over the large tensors: what they are for (statement), what they
consist of (assembly), and how long they take (llvm-mca) beside their load/store bound."""

import collections
import concurrent.futures
import dataclasses
import os

import assembly
import bound
import forms
import instructions
import mca
import statement


@dataclasses.dataclass
class Target:
    """What the code is made for and judged by."""
    arch: str
    cpus: tuple
    element_bytes: int
    vector_bytes: int

    @property
    def lanes(self):
        return self.vector_bytes // self.element_bytes


@dataclasses.dataclass
class Timing:
    """In cycles per vector of a tensor."""
    cpu: str
    cycles: float = 0  # of the loop in a steady state
    throughput: float = 0  # of the loop, if no instruction waited for another
    bound: float = 0  # of its unavoidable loads and stores alone
    arithmetic: float = 0  # of its arithmetic alone
    limit: str = ""
    busiest: str = ""
    busiest_cycles: float = 0
    problem: str = ""  # why there are no numbers

    @property
    def ratio(self):
        return self.cycles / self.bound if self.bound else 0

    @property
    def overhead(self):
        """Against what binds even a loop of nothing but what is needed."""
        floor = max(self.bound, self.arithmetic)
        return self.cycles / floor if floor else 0


@dataclasses.dataclass
class HotLoop:
    label: str
    number: int  # of the loop in the statement
    nest: list
    conditions: list
    form: int  # None: all
    traffic: dict  # "x": elements read per iteration ... "y": written
    accesses: list
    vectors: float  # of one tensor, per iteration
    needed_loads: int
    blocks: int
    masked: bool
    instructions: list
    copies: list  # conditions of loops with the same instructions
    listing: list = dataclasses.field(default_factory=list)  # the instructions with their kinds
    counts: dict = dataclasses.field(default_factory=dict)
    on_stack: int = 0  # instructions that read or write there
    loads: int = 0  # vectors read, the constants of the code and spills not counted
    timings: list = dataclasses.field(default_factory=list)

    @property
    def is_tail(self):
        """Works on less than a vector at a time, or on what is masked."""
        return self.masked or self.vectors < 1


def find(stmt, asm, target, program, wanted_forms=None):
    """The loops (of `wanted_forms`, by number; None: of all), and the outline of the statement."""
    loops, outline = statement.parse(stmt)
    found = assembly.loops_of(asm, target.arch)
    present = {loop.number for loop in found}
    candidates = []
    for loop in found:
        if not loop.innermost or not 0 < loop.number <= len(loops):
            continue
        source = loops[loop.number - 1]
        form = forms.form_of(source.conditions)
        if wanted_forms is not None and form is not None and form not in wanted_forms:
            continue
        accesses = statement.accesses_of(source, present)
        if accesses:
            candidates.append((loop, source, accesses))
    results = [describe(*group, target) for group in merge(candidates)]
    read_listings(results, target, program)
    regions = {}
    for hot in results:
        regions.update(regions_of(hot, target))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        judged = pool.map(lambda cpu: mca.judge(program, regions, target.arch, cpu) if regions else {}, target.cpus)
    for cpu, results_of_cpu in zip(target.cpus, judged):
        for hot in results:
            hot.timings.append(timing(hot, results_of_cpu, cpu))
    results.sort(key=lambda hot: (hot.form or 0, hot.is_tail, -hot.vectors))
    return results, outline


def merge(candidates):
    """Specializations often differ around a loop, not in it: one stands for all with its instructions."""
    groups = collections.OrderedDict()
    for candidate in candidates:
        loop, source, accesses = candidate
        key = (tuple(instructions.mnemonic_of(one.text) for one in loop.instructions), source.name.split(".")[-1],
               forms.form_of(source.conditions), tuple(sorted((a.tensor, a.lanes, a.is_store) for a in accesses)))
        groups.setdefault(key, []).append(candidate)
    return [(*group[0], group[1:]) for group in groups.values()]


def describe(loop, source, accesses, copies, target):
    traffic = collections.Counter()
    for access in accesses:
        traffic[access.tensor] += access.lanes
    return HotLoop(
        label=loop.label, number=source.number, nest=source.nest, conditions=without_form(source.conditions),
        form=forms.form_of(source.conditions), traffic=dict(traffic), accesses=accesses,
        vectors=max(traffic.values()) / target.lanes,
        needed_loads=sum(-(-access.lanes // target.lanes) for access in accesses if not access.is_store),
        blocks=len(loop.blocks), masked=source.masked, instructions=loop.instructions,
        copies=[without_form(copy.conditions) for _, copy, _ in copies])


def without_form(conditions):
    return [condition for condition in conditions if not condition.startswith("form ")]


def read_listings(results, target, program):
    """The kinds of the instructions; which of them read or write memory, llvm-mca tells with any processor that has
    them all."""
    flags = {}
    for cpu in target.cpus:
        unread = {hot.label: texts(hot.instructions) for hot in results if hot.label not in flags}
        if unread:
            flags.update(mca.memory_flags(program, unread, target.arch, cpu))
    for hot in results:
        # Without any model, no instruction is known to touch memory.
        known = flags.get(hot.label, [(False, False)] * len(hot.instructions))
        hot.listing = [instructions.classify(one, *two, target.arch, target.vector_bytes)
                       for one, two in zip(hot.instructions, known)]
        counted = collections.Counter(one.kind for one in hot.listing)
        hot.counts = {kind: counted[kind] for kind in instructions.KINDS}
        hot.on_stack = sum(one.on_stack for one in hot.listing)
        hot.loads = round(sum(one.loads for one in hot.listing if not one.constant))


def texts(listing):
    return [one.text for one in listing]


def regions_of(hot, target):
    """What llvm-mca judges: the loop, its bare loads and stores, and its bare arithmetic."""
    result = {hot.label: texts(hot.instructions)}
    for i, listing in enumerate(bound.listings(hot.accesses, target)):
        result[f"{hot.label}.bound{i}"] = listing
    if arithmetic := [instructions.without_memory(one.text) if target.arch == "x86-64" else one.text
                      for one in hot.listing if one.kind == "arithmetic"]:
        result[f"{hot.label}.arithmetic"] = arithmetic
    return result


def timing(hot, judged, cpu):
    results = {name.removeprefix(hot.label): result for name, result in judged.items()
               if name == hot.label or name.startswith(f"{hot.label}.")}
    for result in results.values():
        if not isinstance(result, mca.Result):
            return Timing(cpu, problem=result)

    def throughput(kind):
        kinds = [result.throughput for name, result in results.items() if name.startswith(kind)]
        return min(kinds, default=0) / hot.vectors

    own = results[""]
    return Timing(
        cpu, own.cycles / hot.vectors, own.throughput / hot.vectors, throughput(".bound"), throughput(".arithmetic"),
        own.limit, own.busiest, own.busiest_cycles / hot.vectors)
