# Tests on machines that this one is not: both ARM platforms, from their own build folders, and older or stranger x86
# processors. qemu-user raises SIGILL for what the model lacks.

# What an emulated machine runs: everything that depends on the kernels, in its small form. More models of a platform show
# that the right variant is chosen and that none of its instructions is missing: they run what depends on that alone.
set(halnorm_model_core FirstUse.*:Variants.*:CpuFeatures.*:*WorkedCases.*:*Edges.*:State.*:ControlWord.*)
set(halnorm_core ${halnorm_model_core}:Prepared*.*:Reference.*:BackwardReference.*:*Initializer*:Names.*)
set(halnorm_emulated_suites Grid SpecialValues GuardPages GridBackward EdgesBackward)
set(halnorm_slowly_emulated_suites Accuracy SpecialPlaces Activations Gradients Parts ActivationDerivatives Stack)

# halnorm_emulated_tests(NAME BUILD_DIR EXPECTED EMULATOR...): runs BUILD_DIR's halnorm_tests in the emulator, and demands
# that the variant EXPECTED is chosen.
function(halnorm_emulated_tests NAME BUILD_DIR EXPECTED)
  set(run ${ARGN} ${BUILD_DIR}/tests/halnorm_tests --reduced)
  halnorm_test(${NAME}.core
    COMMAND ${run} --expect-chosen=${EXPECTED} --gtest_filter=${halnorm_core} LABELS emulated)
  foreach(suite IN LISTS halnorm_emulated_suites halnorm_slowly_emulated_suites)
    string(TOLOWER ${suite} entry)
    set(labels emulated)
    # The kernels of armv7.d16, `generic`, run in the suites of armv7 too: here they are about the instructions.
    if(suite IN_LIST halnorm_slowly_emulated_suites OR (NAME STREQUAL armv7.d16 AND NOT suite STREQUAL GridBackward))
      list(APPEND labels slow)
    endif()
    halnorm_test(${NAME}.${entry} COMMAND ${run} --gtest_filter=${suite}.* LABELS ${labels})
  endforeach()
endfunction()

# halnorm_emulated_model(NAME EXPECTED COMMAND...): one more processor of a platform; COMMAND runs halnorm_tests on it.
function(halnorm_emulated_model NAME EXPECTED)
  halnorm_test(${NAME} LABELS emulated
    COMMAND ${ARGN} --reduced --expect-chosen=${EXPECTED} --gtest_filter=${halnorm_model_core})
endfunction()

# An emulator that is not there is a skipped test with a reason, not silence.
function(halnorm_no_emulator NAME PROGRAM)
  halnorm_test(${NAME} COMMAND sh -c "echo '${PROGRAM} is not installed (Debian: qemu-user)'; exit 77" LABELS emulated)
endfunction()

foreach(platform aarch64 armv7)
  string(TOUPPER ${platform} upper)
  set(HALNORM_${upper}_BUILD "" CACHE PATH "Build folder for ${platform}-linux, whose tests run under qemu-user")
endforeach()
find_program(HALNORM_QEMU_AARCH64 qemu-aarch64)
find_program(HALNORM_QEMU_ARM qemu-arm)
find_program(HALNORM_QEMU_X86_64 qemu-x86_64)
mark_as_advanced(HALNORM_QEMU_AARCH64 HALNORM_QEMU_ARM HALNORM_QEMU_X86_64)

# ./run bench --instructions for one platform: what it counts computes the same.
function(halnorm_instructions_test NAME BUILD)
  cmake_path(GET BUILD PARENT_PATH builds)
  cmake_path(GET BUILD FILENAME platform)
  halnorm_test(${NAME}.instructions LABELS emulated slow
    COMMAND ${Python3_EXECUTABLE} -B ${PROJECT_SOURCE_DIR}/bench/instructions --build ${builds} ${platform})
endfunction()

# On ARM the least processor with NEON runs everything: what it lacks (of ARMv8.1 on; division and fused multiply-add on
# ARMv7) faults there.
if(HALNORM_AARCH64_BUILD AND HALNORM_QEMU_AARCH64)
  set(run ${HALNORM_QEMU_AARCH64} -L /usr/aarch64-linux-gnu)
  halnorm_emulated_tests(aarch64 ${HALNORM_AARCH64_BUILD} arm_neon ${run} -cpu cortex-a53)
  foreach(cpu cortex-a57 cortex-a72 cortex-a76 neoverse-n1 a64fx max)
    halnorm_emulated_model(aarch64.${cpu} arm_neon ${run} -cpu ${cpu} ${HALNORM_AARCH64_BUILD}/tests/halnorm_tests)
  endforeach()
  halnorm_instructions_test(aarch64 ${HALNORM_AARCH64_BUILD})
elseif(HALNORM_AARCH64_BUILD)
  halnorm_no_emulator(aarch64 qemu-aarch64)
endif()
if(HALNORM_ARMV7_BUILD AND HALNORM_QEMU_ARM)
  set(run ${HALNORM_QEMU_ARM} -L /usr/arm-linux-gnueabihf)
  halnorm_emulated_tests(armv7 ${HALNORM_ARMV7_BUILD} arm_neon ${run} -cpu cortex-a8)
  foreach(cpu cortex-a7 cortex-a9 cortex-a15 max)
    halnorm_emulated_model(armv7.${cpu} arm_neon ${run} -cpu ${cpu} ${HALNORM_ARMV7_BUILD}/tests/halnorm_tests)
  endforeach()
  # VFPv3-D16, all that the platform promises. Of qemu's models only this one faults at d16 to d31: with neon=off the others
  # still have them.
  halnorm_emulated_tests(armv7.d16 ${HALNORM_ARMV7_BUILD} generic ${run} -cpu cortex-r5f)
  halnorm_emulated_model(armv7.no_neon generic ${run} -cpu cortex-a9,neon=off ${HALNORM_ARMV7_BUILD}/tests/halnorm_tests)
  halnorm_instructions_test(armv7 ${HALNORM_ARMV7_BUILD})
elseif(HALNORM_ARMV7_BUILD)
  halnorm_no_emulator(armv7 qemu-arm)
endif()

# halnorm_x86_model(NAME EXPECTED CPU [GRID | SLOW_GRID]): the core on a processor of qemu's list, and the grid of the variant
# that it has to choose: the least processor of each variant runs it always. Without guard pages: the vmaskmov of qemu 7.2
# faults for elements that the mask leaves out, which processors do not (Intel SDM, VMASKMOV); the guard tests run on this
# machine.
function(halnorm_x86_model NAME EXPECTED CPU)
  cmake_parse_arguments(PARSE_ARGV 3 arg "GRID;SLOW_GRID" "" "")
  if(NOT HALNORM_QEMU_X86_64)
    halnorm_no_emulator(x86.${NAME} qemu-x86_64)
    return()
  endif()
  set(run ${HALNORM_QEMU_X86_64} -cpu ${CPU} $<TARGET_FILE:halnorm_tests> --no-guard-pages)
  halnorm_emulated_model(x86.${NAME} ${EXPECTED} ${run})
  # An OpenCL for processors would translate its kernels in the emulator, a minute for what this machine tests anyway.
  set_tests_properties(x86.${NAME} PROPERTIES ENVIRONMENT OCL_ICD_VENDORS=/nowhere)
  if(arg_GRID OR arg_SLOW_GRID)
    set(slow "")
    if(arg_SLOW_GRID)
      set(slow slow)
    endif()
    halnorm_test(x86.${NAME}.grid LABELS emulated ${slow} COMMAND ${run} --reduced
      --gtest_filter=Grid.*__${EXPECTED}:GridBackward.*__${EXPECTED}:Activations.*/${EXPECTED})
    set_tests_properties(x86.${NAME}.grid PROPERTIES ENVIRONMENT OCL_ICD_VENDORS=/nowhere)
  endif()
endfunction()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  # SSE2, all that the platform promises: an instruction of SSE3 to SSE4.2 faults.
  halnorm_x86_model(sse2_only generic qemu64,-pni,-cx16,-sse4a GRID)
  halnorm_x86_model(no_sse4 generic core2duo)
  halnorm_x86_model(no_avx generic Nehalem SLOW_GRID)
  halnorm_x86_model(amd_no_avx generic phenom)
  halnorm_x86_model(avx_only x86_avx SandyBridge GRID)
  halnorm_x86_model(f16c_without_avx2 x86_avx IvyBridge)
  halnorm_x86_model(amd_fma_without_avx2 x86_avx Opteron_G5)
  halnorm_x86_model(avx2 x86_avx2 Haswell)
  halnorm_x86_model(no_fma x86_avx Haswell,-fma SLOW_GRID)
  halnorm_x86_model(no_avx2 x86_avx Haswell,-avx2)
  halnorm_x86_model(no_f16c x86_avx Haswell,-f16c)
  # Without BMI1 Debian 12's glibc starts hardly any program in qemu: its memcmp has bzhi. The bit is tested by CpuFeatures.
  halnorm_x86_model(no_bmi2 x86_avx Haswell,-bmi2)
  halnorm_x86_model(avx_without_sse41 generic Haswell,-sse4.1)
  halnorm_x86_model(avx2_without_operating_system generic Haswell,-xsave SLOW_GRID)
  halnorm_x86_model(amd_avx2 x86_avx2 EPYC)
  halnorm_x86_model(all_that_qemu_knows x86_avx2 max)
  # A vendor that glibc has heard of: with others Debian 12's refuses to start any program in qemu.
  halnorm_x86_model(unexpected_vendor_and_family x86_avx2 Haswell,vendor=CentaurHauls,family=99,model=99 SLOW_GRID)
endif()
