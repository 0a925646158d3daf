import Testing
@testable import Files

@Suite struct FilePathTests {
    @Test(arguments: [
        ("a", "", "a"), ("/a", "/", "a"), ("/", "/", ""), ("", "", ""), ("a/b", "a", "b"), ("a/b/", "a", "b"),
        ("/a//b", "/a", "b"), ("./x", ".", "x"),
        ("//x", "/", "x"), ("ä/\u{301}", "ä", "\u{301}"),
    ]) func parts(_ path: String, _ folder: String, _ name: String) {
        #expect(FilePath.folder(of: path) == folder)
        #expect(FilePath.name(of: path) == name)
    }
}
