add_test(NAME layers COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/include_layers.sh)
set_tests_properties(layers PROPERTIES LABELS layers)
