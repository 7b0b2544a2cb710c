# An entry per fuzzer: its committed corpus, then five seconds from a fixed seed. HALNORM_FUZZ_BUILD is a build folder of
# preset fuzz, whose compiler is another than this build's.
set(HALNORM_FUZZ_BUILD "" CACHE PATH "Build folder of the fuzzers (preset fuzz)")
foreach(target api backward dispatch files forward)
  halnorm_test(fuzz.${target} LABELS slow
    COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/replay.sh "${HALNORM_FUZZ_BUILD}" ${target})
endforeach()
