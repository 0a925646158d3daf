import Testing
import Files

@Suite struct ForeignTextTests {
    @Test func nothingThatATerminalObeysIsPrinted() {
        #expect("plain – µm²/ms é 日本".printable() == "plain – µm²/ms é 日本")
        #expect("a\u{1B}[2Jb".printable() == "a\\u{1B}[2Jb")
        #expect("one\ntwo\r\tthree".printable() == "one\\ntwo\\r\\tthree")
        #expect(String(repeating: "x", count: 3000).printable().count == 2001)
        for value in (0...0xA0).map({ UInt32($0) }) + [0x200E, 0x200F, 0x2028, 0x202E, 0x2066, 0x2069, 0x61C, 0xFEFF] {
            // Joined to a letter, as to Swift a mark and what stands before it may be one character.
            let shown = "e\(Unicode.Scalar(value)!)<".printable()
            #expect(
                shown.unicodeScalars.allSatisfy {
                    $0.value >= 0x20 && !(0x7F...0x9F ~= $0.value) && !(0x2028...0x202E ~= $0.value)
                })
            #expect(shown.hasPrefix("e") && shown.hasSuffix("<"))
        }
    }

    @Test func namesStayInTheirFolder() {
        for name in ["dwi", "sub-01_ses-2_dwi", "a b", "é", "a..b", ".hidden", "..."] {
            #expect(name.isPlainFileName, "\(name)")
        }
        let escapes = [
            "", ".", "..", "/", "a/b", "../x", "/etc/x", "a\0b", "a\nb", "\u{1B}[31m", "a\\b", "a\u{202E}b",
            String(repeating: "x", count: 201), "a/\u{301}",
        ]
        for name in escapes { #expect(!name.isPlainFileName, "\(name.printable())") }
    }
}
