print("prism-dmri")
