# Turns rules/refdata/functions/*.kql into one C file of byte arrays: saved functions that every query may call.
function(weir_embed_functions target)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/rules/refdata/functions/*.kql)
  list(SORT files)
  set(arrays "")
  set(rows "")
  set(n 0)
  foreach(file ${files})
    set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(name ${file} NAME_WE)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(APPEND arrays "static const char text${n}[] = {${bytes}0};\n")
    string(APPEND rows "    {\"${name}\", \"functions/${name}.kql\", text${n}, sizeof text${n} - 1},\n")
    math(EXPR n "${n} + 1")
  endforeach()
  set(out ${CMAKE_BINARY_DIR}/generated/program_functions.c)
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT "#include \"rules/plan/external.h\"

@arrays@
const struct wr_saved_fn wr_program_fns[] = {
@rows@};
const size_t wr_program_nfns = sizeof wr_program_fns / sizeof *wr_program_fns;
")
  target_sources(${target} PRIVATE ${out})
endfunction()
