# The tests' core under valgrind's memcheck, with the kernels as they are released: reads of what nobody wrote and accesses
# to what is nobody's (memory.h tells it about buffers and workspaces). ./run test --sanitize valgrind runs them: label
# `valgrind`. Of the variants that it can run: valgrind 3.19 has no AVX-512.
find_program(HALNORM_VALGRIND valgrind DOC "valgrind, to look for accesses to memory that is nobody's")
if(HALNORM_SANITIZE OR NOT HALNORM_VALGRIND)
  return()
endif()

# halnorm_valgrind_test(NAME FILTER)
function(halnorm_valgrind_test NAME FILTER)
  halnorm_test(valgrind.${NAME} LABELS valgrind
    COMMAND ${HALNORM_VALGRIND} --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite
      --suppressions=${CMAKE_CURRENT_SOURCE_DIR}/valgrind.supp
      $<TARGET_FILE:halnorm_tests> --reduced --gtest_filter=${FILTER})
  set_tests_properties(valgrind.${NAME} PROPERTIES TIMEOUT 3600 ENVIRONMENT OCL_ICD_VENDORS=/nowhere)
endfunction()

halnorm_valgrind_test(errors Errors.*:*BadInputs.*:MergeByHand.*:Variants.*:FirstUse.*)
halnorm_valgrind_test(layer Layer*:*LayerStatistics*:MovingStatistics.*:*Initializer*:*ModelAverage*:Names.*:ParamAttr.*)
if(HALNORM_STATE)
  halnorm_valgrind_test(state State.*)
endif()
# Neither activations nor gradients of special values: their reference has 80 bits, and so the range
# for squares of the largest doubles, where valgrind computes with 64.
foreach(variant IN LISTS variants)
  get_property(device GLOBAL PROPERTY HALNORM_${variant}_DEVICE)
  if(NOT device STREQUAL cpu OR variant MATCHES avx512)
    continue()
  endif()
  halnorm_valgrind_test(forward.${variant} Grid.*__${variant}:Edges.*/${variant}:Merge.*/${variant}:Streaming.*/${variant})
  halnorm_valgrind_test(backward.${variant} GridBackward.*__${variant}:EdgesBackward.*/${variant}:Parts.*/${variant})
  halnorm_valgrind_test(guard.${variant} GuardPages.*/${variant})
  halnorm_valgrind_test(values.${variant} SpecialValues.*/${variant}:SpecialPlaces.*/${variant}-SpecialPlaces.backward/${variant})
endforeach()
