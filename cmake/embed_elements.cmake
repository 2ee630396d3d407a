# Turns parsers/flow/model/*.xml into one C file of byte arrays: the information model needs no file beside the
# program. Runs when one of them changes.
function(weir_embed_elements target)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/parsers/flow/model/*.xml)
  list(SORT files)
  set(arrays "")
  set(rows "")
  set(n 0)
  foreach(file ${files})
    set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(APPEND arrays "static const char text${n}[] = {${bytes}0};\n")
    string(APPEND rows "    {text${n}, sizeof text${n} - 1},\n")
    math(EXPR n "${n} + 1")
  endforeach()
  set(out ${CMAKE_BINARY_DIR}/generated/element_files.c)
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT "#include \"parsers/flow/model.h\"

@arrays@
const struct wr_element_file wr_element_files[] = {
@rows@};
const size_t wr_element_nfiles = sizeof wr_element_files / sizeof *wr_element_files;
")
  target_sources(${target} PRIVATE ${out})
endfunction()
