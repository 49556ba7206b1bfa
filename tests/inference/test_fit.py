def test_it(fitted): print(fitted.checks)
