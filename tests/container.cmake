# The image that ships, built and run: once, in the first preset of tests/run.sh. tests/container/run.sh says what it shows.
if(TARGET weir AND NOT WEIR_SANITIZE AND NOT WEIR_COVERAGE)
  add_test(NAME container COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/container/run.sh)
  set_tests_properties(container PROPERTIES LABELS container PROCESSORS 2 COST 200 TIMEOUT 1200 SKIP_RETURN_CODE 77)
  add_test(NAME compose COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/container/compose.sh $<TARGET_FILE:weir> ${CMAKE_SOURCE_DIR})
  set_tests_properties(compose PROPERTIES LABELS container TIMEOUT 60 SKIP_RETURN_CODE 77)
endif()
