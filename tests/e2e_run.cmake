# The daemon, end to end on loopback: tests/e2e/run.sh says what each variant shows. What measures time has the machine for
# itself (RUN_SERIAL).
if(TARGET weir)
  foreach(variant workers-2 batch-1 batch-3 batch-2048 kill restart torn reload settings snapshot)
    add_test(NAME e2e.${variant} COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/e2e/run.sh ${variant} $<TARGET_FILE:weir> ${CMAKE_SOURCE_DIR})
    set_tests_properties(e2e.${variant} PROPERTIES LABELS e2e TIMEOUT 180 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
  endforeach()
  add_test(NAME e2e.systemd COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/e2e/systemd.py $<TARGET_FILE:weir> ${CMAKE_SOURCE_DIR})
  set_tests_properties(e2e.systemd PROPERTIES LABELS e2e TIMEOUT 60 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
  set(disk_variants full read-only)
  if(NOT WEIR_SANITIZE) # a leak checker cannot run under strace
    list(APPEND disk_variants slow)
  endif()
  foreach(variant ${disk_variants})
    add_test(NAME e2e.disk-${variant} COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/e2e/disk.py $<TARGET_FILE:weir> ${variant})
    set_tests_properties(e2e.disk-${variant} PROPERTIES LABELS e2e TIMEOUT 120 SKIP_RETURN_CODE 77 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
  endforeach()
  add_test(NAME e2e.tls COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/e2e/tls.py $<TARGET_FILE:weir>)
  set_tests_properties(e2e.tls PROPERTIES LABELS "e2e;bench" TIMEOUT 120 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}") # 40 s of waiting
  add_test(NAME e2e.idle COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/e2e/idle.py $<TARGET_FILE:weir>)
  set_tests_properties(e2e.idle PROPERTIES LABELS "e2e;bench" RUN_SERIAL ON TIMEOUT 60 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
  add_test(NAME e2e.accounting COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/e2e/accounting.py $<TARGET_FILE:weir>)
  set_tests_properties(e2e.accounting PROPERTIES LABELS e2e TIMEOUT 60 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
  add_test(NAME e2e.latency COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/e2e/latency.py $<TARGET_FILE:weir> 100)
  set_tests_properties(e2e.snapshot PROPERTIES LABELS "e2e;bench") # long, so not in every preset
  # Beside snapshots; long, too.
  add_test(NAME e2e.latency-snapshot COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/e2e/latency.py $<TARGET_FILE:weir> 100 50000)
  set_tests_properties(e2e.latency-snapshot PROPERTIES LABELS "e2e;bench" RUN_SERIAL ON TIMEOUT 180 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
  set_tests_properties(e2e.latency PROPERTIES LABELS e2e RUN_SERIAL ON TIMEOUT 60 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
endif()
if(TARGET weir)
  foreach(variant ipfix v9 v5 gso)
    add_test(NAME e2e.loss-${variant} COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/e2e/loss.sh ${variant} $<TARGET_FILE:weir> ${CMAKE_SOURCE_DIR}
      ${CMAKE_CURRENT_BINARY_DIR}/flowgen)
    set_tests_properties(e2e.loss-${variant} PROPERTIES LABELS e2e RUN_SERIAL ON TIMEOUT 60 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
  endforeach()
endif()
