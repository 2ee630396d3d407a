# Other engines beside weir's, at test time only: Microsoft's KQL binder (npm) and ClickHouse (PyPI). Need node, npm, pip and the registries.
if(TARGET weir)
  foreach(oracle language clickhouse)
    add_test(NAME oracle.${oracle} COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/oracle/${oracle}/run.sh
      $<TARGET_FILE:weir> ${CMAKE_CURRENT_BINARY_DIR}/oracle_${oracle})
    set_tests_properties(oracle.${oracle} PROPERTIES LABELS "interop;oracle" PROCESSORS 2 COST 30 TIMEOUT 300 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
  endforeach()
endif()
