"""Which extension of the instruction set an instruction belongs to, in objdump's words, for those that a compiler emits.

A name per extension, as in the list of variants where that has one; "baseline" is what every machine of the platform has.
"""

import re

PREFIXES = {"data16", "cs", "ds", "es", "fs", "gs", "ss", "rep", "repz", "repnz", "lock", "notrack", "bnd", "addr32", "rex.W"}

# Legacy encodings beyond SSE2. Without tzcnt and lzcnt: older machines read the former as bsf, which is how it is used.
LEGACY = {
    "sse3": r"(addsub|hadd|hsub)p[sd]|lddqu|mov(d|sh|sl)dup|fisttp\w*|monitor|mwait",
    "ssse3": r"pshufb|ph(add|sub)(s?w|d)|pmaddubsw|pmulhrsw|psign[bwd]|pabs[bwd]|palignr",
    "sse41": r"blendv?p[sd]|dpp[sd]|extractps|insertps|movntdqa|mpsadbw|packusdw|pblendvb|pblendw|pcmpeqq|pextr[bdq]|"
             r"pinsr[bdq]|phminposuw|p(max|min)(sb|sd|ud|uw)|pmov[sz]x\w\w|pmuldq|pmulld|ptest|round[ps][sd]",
    "sse42": r"pcmpgtq|pcmp[ei]str[im]|crc32\w*",
    "popcnt": r"popcnt\w*",
    "bmi": r"andn|bextr|bls(i|msk|r)|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx|lzcnt\w*",
    "other": r"adcx|adox|movbe\w*|aes\w+|pclmul\w+|sha1\w+|sha256\w+|gf2p8\w+|cmpxchg16b|rdrand\w*|rdseed\w*|xgetbv|xsave\w*",
}
# In VEX or EVEX, beyond AVX.
VEX = {
    "fma": r"vfn?m(add|sub|addsub|subadd)(132|213|231)[ps][sd]",
    "f16c": r"vcvtph2ps|vcvtps2ph",
    "other": r"vp(dpbusd|dpwssd)s?|vpmadd52\w+|vperm[bi2t]*b|vpmultishiftqb|vpopcnt\w+|vpsh[lr]dv?\w|vpcompress[bw]|"
             r"vpexpand[bw]|vpshufbitqmb|vdpbf16ps|vcvtne\w+|vp?clmul\w+|vaes\w+|vgf2p8\w+|v\w+[ps]h",
    "avx2": r"vpbroadcast[bwdq]|v(extract|insert)i128|vperm(q|d|pd|ps|2i128)|vps[lr]lv[dq]|vpsravd|vp?gather\w+|vpblendd|"
            r"vpmaskmov[dq]|vbroadcasti128",
}
YMM_INTEGERS_OF_AVX = r"vptest|vpermilp[sd]|vperm2f128"


def split(text):
    words = text.split(" ")
    while len(words) > 1 and words[0] in PREFIXES:
        words.pop(0)
    return words[0], " ".join(words[1:])


def x86(text):
    mnemonic, operands = split(text)
    if re.fullmatch(r"k(mov|shift|or|and|xor|xnor|not|unpck|test|add)\w+", mnemonic):
        return "avx512"
    if not mnemonic.startswith("v") or mnemonic in ("verr", "verw"):
        return next((name for name, pattern in LEGACY.items() if re.fullmatch(pattern, mnemonic)), "baseline")
    for name in ("f16c", "other"):
        if re.fullmatch(VEX[name], mnemonic):
            return name
    if re.search(r"%zmm|%[xy]mm(1[6-9]|2\d|3[01])\b|%k[0-7]|\{", operands):
        return "avx512"
    if re.fullmatch(VEX["fma"], mnemonic):
        return "fma"
    from_register = re.match(r"vbroadcasts[sd] %xmm", text)
    integer = mnemonic.startswith("vp") and "%ymm" in operands and not re.fullmatch(YMM_INTEGERS_OF_AVX, mnemonic)
    if from_register or integer or re.fullmatch(VEX["avx2"], mnemonic) or re.match(r"v(mpsadbw|movntdqa) .*%ymm", text):
        return "avx2"
    return "avx"


def arm64(text):
    mnemonic, operands = split(text)
    if re.search(r"\b[zp]\d+(\.|/|\b)", operands) or mnemonic in ("rdvl", "cntb", "cntw", "cntd", "cnth", "ptrue"):
        return "sve"
    if re.fullmatch(r"(cas|swp|ld(add|clr|eor|set|[su]max|[su]min)|st(add|clr|eor|set))(a|l|al)?[bh]?", mnemonic):
        return "lse"
    if re.fullmatch(r"[us]dot|sudot|usdot|sq?rdml[as]h|fml[as]l2?|bf\w*mmla|bfdot|bfcvtn?2?|fcmla|fcadd|ldapr\w*|fjcvtzs", mnemonic):
        return "other"
    if mnemonic.startswith("f") and re.search(r"\.[48]h\b|\bh\d+\b", operands) and not mnemonic.startswith("fcvt"):
        return "fp16"
    return "baseline"


NEON_NAMES = (r"v(ld|st)[1-4]|vand|vorr|vorn|veor|vbic|vmvn|vbsl|vbit|vbif|vext|vtb[lx]|vdup|vswp|vtrn|vzip|vuzp|vrev\d\d|"
              r"vsh[lr]n?|vq\w+|vc(eq|ge|gt|le|lt)|va?c(ge|gt|le|lt)|vmovn|vmovl|vmull|vpadd\w*|vpm(ax|in)|vm(ax|in)|vtst|vabd\w*|"
              r"vrecp[es]|vrsqrt[es]|vhadd|vhsub|vrhadd|vsra|vsri|vsli|vcl[sz]|vcnt")


def arm32(text):
    mnemonic, operands = split(text)
    name, _, types = mnemonic.partition(".")
    if re.fullmatch(r"[us]div\w*", name) and not types:
        return "idiv"
    if re.fullmatch(r"vfn?m[as]\w*", name):
        return "vfpv4"
    if re.fullmatch(r"v(max|min)nm|vrint\w|vsel\w\w|vcvt[anpm]|lda\w*|stl\w*|vsdot|vudot|aes\w+|sha\w+", name):
        return "armv8"
    if name.startswith("v"):
        vector_of_float = (types == "f32" or name == "vcvt" and "f64" not in types) and operands.startswith("d")
        vector_of_int = name not in ("vcvt", "vmov") and re.match(r"[isup]?(8|16|32|64)$", types)
        lane = name == "vmov" and re.match(r"[isu](8|16|64)$|8$|16$|i32$", types)
        if re.search(r"\bq\d+\b", operands) or re.fullmatch(NEON_NAMES, name) or vector_of_float or vector_of_int or lane:
            return "neon"
        if re.search(r"\bd(1[6-9]|2\d|3[01])\b", operands):
            return "vfpd32"  # the platform has VFPv3-D16
    return "baseline"


CLASSIFY = {"x86-64": x86, "arm-64": arm64, "arm-32": arm32}

# What comes with a feature of the list of variants. AVX has all of SSE; machines with AVX-512F know its masks.
# NEON has 32 registers.
INCLUDED = {
    "avx": {"sse3", "ssse3", "sse41", "sse42", "avx"},
    "sse41": {"sse3", "ssse3", "sse41"},
    "avx2": {"avx2", "bmi"},
    "avx512_skylake": {"avx512"},
    "neon": {"neon", "vfpd32"},
}


def allowed(features):
    return {"baseline"}.union(*(INCLUDED.get(feature, {feature}) for feature in features))


# The assembler's words for the platform's baseline, and for what a feature of the list of variants adds.
ASSEMBLER = {
    "x86-64": ("", ".arch generic64\n.arch .sse2\n", {
        "sse41": ".arch .sse4.1\n", "avx": ".arch .avx\n", "f16c": ".arch .f16c\n", "fma": ".arch .fma\n",
        "avx2": ".arch .avx2\n.arch .bmi\n.arch .bmi2\n", "avx512": ".arch .avx512f\n.arch .avx512cd\n",
        "avx512_skylake": ".arch .avx512vl\n.arch .avx512dq\n.arch .avx512bw\n"}),
    "arm-64": ("", ".arch armv8-a\n", {}),
    # Halide's kernels are ARM code, a compiler's are Thumb.
    "arm-32": (".syntax unified\n.thumb\n", ".arch armv7-a\n.fpu vfpv3-d16\n", {"neon": ".arm\n.fpu neon\n"}),
}


def source(arch, features, texts):
    """A file for the assembler that holds these instructions, on a machine with these features."""
    head, base, extensions = ASSEMBLER[arch]
    # Older machines read tzcnt as bsf, which is how it is used.
    lines = (re.sub(r"^(?:repz? )?tzcnt", "bsf", text) if arch == "x86-64" else text for text in texts)
    return head + base + "".join(extensions.get(feature, "") for feature in sorted(features)) + "\n".join(lines) + "\n"


# What it says of an instruction that the machine lacks. Other complaints are of operands: places of jumps, say, are not those
# of the file that was taken apart.
REFUSAL = r"not support|unsupported instruction `v|mismatch for `v|register out of range|is not available|bad register name"
