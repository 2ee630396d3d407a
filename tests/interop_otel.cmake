# Forward against the OpenTelemetry Collector's receiver: needs Go (it is skipped without) and the module proxy.
if(TARGET weir)
  add_test(NAME interop.otel COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/interop/otel/run.py
    $<TARGET_FILE:weir> ${CMAKE_SOURCE_DIR}/build/otel)
  set_tests_properties(interop.otel PROPERTIES LABELS interop TIMEOUT 600 SKIP_RETURN_CODE 77 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
endif()
