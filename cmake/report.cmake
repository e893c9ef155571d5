# Style and script of the report, src/analysis/report/page/*, as a source file in the build folder.
set(report_folder ${CMAKE_SOURCE_DIR}/src/analysis/report/page)
set(report_source ${CMAKE_BINARY_DIR}/report_page.cc)
set(report_files chart.css report.css report.js)
list(TRANSFORM report_files PREPEND ${report_folder}/ OUTPUT_VARIABLE report_paths)
add_custom_command(
  OUTPUT ${report_source}
  COMMAND ${CMAKE_COMMAND} -DOUT=${report_source} -DFOLDER=${report_folder} -P ${CMAKE_SOURCE_DIR}/cmake/embed_report.cmake
  DEPENDS ${report_paths} ${CMAKE_SOURCE_DIR}/cmake/embed_report.cmake)
target_sources(spectra_analysis PRIVATE ${report_source})
