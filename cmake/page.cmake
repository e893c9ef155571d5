# The server's page, src/server/page/*, as a source file in the build folder.
set(page_folder ${CMAKE_SOURCE_DIR}/src/server/page)
set(page_source ${CMAKE_BINARY_DIR}/page.cc)
set(page_files index.html style.css app.js)
list(TRANSFORM page_files PREPEND ${page_folder}/ OUTPUT_VARIABLE page_paths)
add_custom_command(
  OUTPUT ${page_source}
  COMMAND ${CMAKE_COMMAND} -DOUT=${page_source} -DFOLDER=${page_folder} -P ${CMAKE_SOURCE_DIR}/cmake/embed_page.cmake
  DEPENDS ${page_paths} ${CMAKE_SOURCE_DIR}/cmake/embed_page.cmake)
target_sources(spectra_server PRIVATE ${page_source})
