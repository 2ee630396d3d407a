add_test(NAME layers COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/include_layers.sh)
set_tests_properties(layers PROPERTIES LABELS layers)
add_test(NAME layers.conformance COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/conformance.sh ${CMAKE_SOURCE_DIR})
set_tests_properties(layers.conformance PROPERTIES LABELS layers)
