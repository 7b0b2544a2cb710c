# Tests on machines that this one is not: both ARM platforms, from their own build folders, and older or stranger x86
# processors. qemu-user raises SIGILL for what the model lacks.

# What an emulated machine runs: everything that depends on the kernels, in its small form.
set(halnorm_core Reference.*:BackwardReference.*:FirstUse.*:Variants.*:CpuFeatures.*:*WorkedCases.*:*Edges.*:*Initializer*:Names.*:State.*:ControlWord.*)
set(halnorm_emulated_suites Grid Accuracy SpecialValues SpecialPlaces Activations GuardPages GridBackward Gradients
  Parts EdgesBackward ActivationDerivatives)

# halnorm_emulated_tests(NAME BUILD_DIR EXPECTED EMULATOR...): runs BUILD_DIR's halnorm_tests in the emulator, and demands
# that the variant EXPECTED is chosen.
function(halnorm_emulated_tests NAME BUILD_DIR EXPECTED)
  set(run ${ARGN} ${BUILD_DIR}/tests/halnorm_tests --reduced)
  halnorm_test(${NAME}.core
    COMMAND ${run} --expect-chosen=${EXPECTED} --gtest_filter=${halnorm_core} LABELS emulated)
  foreach(suite IN LISTS halnorm_emulated_suites)
    string(TOLOWER ${suite} entry)
    halnorm_test(${NAME}.${entry} COMMAND ${run} --gtest_filter=${suite}.* LABELS emulated)
  endforeach()
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

if(HALNORM_AARCH64_BUILD AND HALNORM_QEMU_AARCH64)
  halnorm_emulated_tests(aarch64 ${HALNORM_AARCH64_BUILD} arm_neon ${HALNORM_QEMU_AARCH64} -L /usr/aarch64-linux-gnu)
elseif(HALNORM_AARCH64_BUILD)
  halnorm_no_emulator(aarch64 qemu-aarch64)
endif()
if(HALNORM_ARMV7_BUILD AND HALNORM_QEMU_ARM)
  halnorm_emulated_tests(armv7 ${HALNORM_ARMV7_BUILD} arm_neon ${HALNORM_QEMU_ARM} -L /usr/arm-linux-gnueabihf)
  # VFPv3-D16, all that the platform promises. Of qemu's models only this one faults at d16 to d31: with neon=off the others
  # still have them.
  halnorm_emulated_tests(armv7.d16 ${HALNORM_ARMV7_BUILD} generic
    ${HALNORM_QEMU_ARM} -cpu cortex-r5f -L /usr/arm-linux-gnueabihf)
elseif(HALNORM_ARMV7_BUILD)
  halnorm_no_emulator(armv7 qemu-arm)
endif()

# halnorm_x86_model(NAME EXPECTED CPU [LABELS slow]): the core tests on a processor of qemu's list, and the grid of the
# variant that it has to choose, with these labels: the least processor of each variant runs it always. Without guard pages:
# the vmaskmov of qemu 7.2 faults for elements that the mask leaves out, which processors do not (Intel SDM, VMASKMOV); the
# guard tests run on this machine.
function(halnorm_x86_model NAME EXPECTED CPU)
  cmake_parse_arguments(PARSE_ARGV 3 arg "" "" "LABELS")
  if(NOT HALNORM_QEMU_X86_64)
    halnorm_no_emulator(x86.${NAME} qemu-x86_64)
    return()
  endif()
  set(run ${HALNORM_QEMU_X86_64} -cpu ${CPU} $<TARGET_FILE:halnorm_tests> --reduced --no-guard-pages)
  halnorm_test(x86.${NAME} LABELS emulated
    COMMAND ${run} --expect-chosen=${EXPECTED} --gtest_filter=${halnorm_core})
  halnorm_test(x86.${NAME}.grid LABELS emulated ${arg_LABELS}
    COMMAND ${run} --gtest_filter=Grid.*__${EXPECTED}:GridBackward.*__${EXPECTED}:Activations.*/${EXPECTED})
  # An OpenCL for processors would translate its kernels in the emulator, a minute for what this machine tests anyway.
  set_tests_properties(x86.${NAME} x86.${NAME}.grid PROPERTIES ENVIRONMENT OCL_ICD_VENDORS=/nowhere)
endfunction()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  halnorm_x86_model(no_avx generic Nehalem)
  halnorm_x86_model(avx_only x86_avx SandyBridge)
  halnorm_x86_model(avx2_without_operating_system generic Haswell,-xsave LABELS slow)
  halnorm_x86_model(no_fma x86_avx Haswell,-fma LABELS slow)
  # A vendor that glibc has heard of: with others Debian 12's refuses to start any program in qemu.
  halnorm_x86_model(unexpected_vendor_and_family x86_avx2 Haswell,vendor=CentaurHauls,family=99,model=99)
endif()
