# Other engines beside weir's: Microsoft's KQL binder (npm, test time only). Needs nodejs, npm and the registry.
if(TARGET weir)
  add_test(NAME oracle.language COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/oracle/language/run.sh
    $<TARGET_FILE:weir> ${CMAKE_CURRENT_BINARY_DIR}/oracle_language)
  set_tests_properties(oracle.language PROPERTIES LABELS interop TIMEOUT 300 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
endif()
