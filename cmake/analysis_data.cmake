# The paper's numbers and the list of accelerators, src/analysis/data/*, as a source file in the build folder.
set(data_folder ${CMAKE_SOURCE_DIR}/src/analysis/data)
set(data_source ${CMAKE_BINARY_DIR}/analysis_data.cc)
add_custom_command(
  OUTPUT ${data_source}
  COMMAND ${CMAKE_COMMAND} -DOUT=${data_source} -DFOLDER=${data_folder} -P ${CMAKE_SOURCE_DIR}/cmake/embed_data.cmake
  DEPENDS ${data_folder}/paper_tables.json ${data_folder}/accelerators.csv ${CMAKE_SOURCE_DIR}/cmake/embed_data.cmake)
target_sources(spectra_analysis PRIVATE ${data_source})
