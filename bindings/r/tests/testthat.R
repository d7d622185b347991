library(testthat)
library(chreode)

test_check("chreode")
