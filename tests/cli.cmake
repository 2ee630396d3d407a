# The program from its command line: tests/cli/test_x.sh becomes ctest cli.x. Each is called with the program and the
# source folder, and ends with exit code 0 when all of it holds.
if(TARGET weir)
  file(GLOB cli_tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cli/test_*.sh)
  foreach(script ${cli_tests})
    get_filename_component(name ${script} NAME_WE)
    string(REPLACE "test_" "" short ${name})
    add_test(NAME cli.${short} COMMAND sh ${script} $<TARGET_FILE:weir> ${CMAKE_SOURCE_DIR})
    set_tests_properties(cli.${short} PROPERTIES LABELS cli PROCESSORS 2 TIMEOUT 300 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
  endforeach()
  set_tests_properties(cli.decode PROPERTIES LABELS "cli;one-thread")
endif()
