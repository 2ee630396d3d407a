# Forward against FluentServer of the Fluent organisation's npm package: needs nodejs, npm, openssl and the registry.
add_executable(forward_send ${CMAKE_CURRENT_SOURCE_DIR}/interop/forward/send.c)
target_link_libraries(forward_send PRIVATE weir_collector)
add_test(NAME interop.forward COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/interop/forward/run.sh
  $<TARGET_FILE:forward_send> ${CMAKE_CURRENT_BINARY_DIR}/interop_forward)
set_tests_properties(interop.forward PROPERTIES LABELS interop TIMEOUT 180 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
