import Testing
import Volumes

@Suite struct PathPartsTests {
    @Test(arguments: [
        ("n", "", "n"), ("a/b", "a", "b"), ("/a", "/", "a"), ("a/", "", "a"), ("/a/b/c.nii", "/a/b", "c.nii"), ("a//b", "a", "b"), ("", "", ""), ("/", "", ""), ("é", "", "é"),
        ("./n", ".", "n"), ("../n", "..", "n"),
    ])
    func parts(_ path: String, _ parent: String, _ name: String) {
        #expect(path.parentFolder == parent && path.fileName == name, "\(path)")
    }
}
