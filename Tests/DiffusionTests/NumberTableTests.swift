import Foundation
import Testing

@testable import Diffusion

/// The many ways in which tables of numbers are written down, and what stands in their place.
@Suite struct NumberTableTests {
    func rows(_ text: String) throws -> [[Double]] { try NumberTable(text: text, path: "t").rows }
    func failure(_ body: () throws -> Void) -> GradientTableError? {
        do { try body(); return nil } catch { return error as? GradientTableError }
    }
    /// A folder that goes away with the test.
    func scratch(_ body: (String) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "/prism-tables-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    @Test(
        "One row, however it is written",
        arguments: [
            "0 1000 -2.5", "0\t1000\t-2.5\r\n", "0;1000;-2.5", "0, 1000, -2.5,", "0,1000,-2.5",
            "\"0\",\"1000\",\"-2.5\"", "\u{FEFF}0 1E+03 -25e-1", "0 1.0D+03 -2.5d0",
            "0\u{A0}1000 \u{2212}2.5", "  0   1000  -2.5  # a, comment 1,5\n\n",
        ]) func layouts(_ text: String) throws
    {
        #expect(try rows(text) == [[0, 1000, -2.5]])
        for encoding in [String.Encoding.utf8, .utf16, .utf16LittleEndian, .utf16BigEndian] {
            let bytes = try #require(text.data(using: encoding)), decoded = try #require(TextFile.decode(bytes))
            #expect(try rows(decoded) == [[0, 1000, -2.5]])
        }
    }

    @Test(
        "Every spelling of not-a-number",
        arguments: ["nan", "-nan", "NaN", "+NAN", "nan(ind)", "-nan(ind)", "-1.#IND", "1.#QNAN", "n/a"])
    func notANumber(_ word: String) throws {
        let row = try rows("0 \(word) 1")[0]
        #expect(row.count == 3 && row[1].isNaN)
    }

    @Test(
        "Words that are no numbers are named with their line",
        arguments: ["x", "0x1D", "1'000", "--1", "1.2.3", "e5", "."]) func words(_ word: String)
    {
        #expect(failure { _ = try rows("0 1\n2 \(word)") } == .notANumber(path: "t", line: 2, word: word))
    }

    @Test("A comma inside a number is told from a comma between numbers") func commas() throws {
        for (text, word) in [
            ("0 0,577 -0,1", "0,577"), ("0;0,577;1", "0,577"), ("0, -0,577, 0,1", "-0,577"), ("0 1,000 1,000", "1,000"),
            ("0 1,000.5", "1,000.5"),
            ("\"0,5\";\"1\"", "0,5"),
        ] {
            #expect(
                failure { _ = try rows("1 0 0\n" + text) } == .commaInside(path: "t", line: 2, word: word), "\(text)")
        }
        #expect(try rows("0 ,1000 ,1000") == [[0, 1000, 1000]])
        #expect(try rows("0.1,0.2,0.3\n0.4,0.5,0.6") == [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
        #expect(try rows("0.1,0.2\n0.4,0.5") == [[0.1, 0.2], [0.4, 0.5]])
        #expect(try rows("1,0,0\n0,1,0") == [[1, 0, 0], [0, 1, 0]])
    }

    @Test("A pipe is read to its end, however late its writer; one without a writer is refused") func pipes() throws {
        try scratch { folder in
            let path = folder + "/pipe"
            #expect(mkfifo(path, 0o600) == 0)
            #expect(
                failure { _ = try NumberTable(path: path) }
                    == .unreadable(path: path, reason: "it is a pipe that nothing writes to"))
            let writer = Process()
            writer.executableURL = URL(fileURLWithPath: "/bin/bash")
            writer.arguments = [
                "-c", "exec 3>'\(path)'; echo 0 1000 >&3; sleep 0.3; for i in $(seq 20000); do echo $i 7; done >&3",
            ]
            try writer.run()
            let table = try NumberTable(path: path)
            writer.waitUntilExit()
            #expect(table.rows.count == 20_001 && table.rows[0] == [0, 1000] && table.rows[20_000] == [20_000, 7])
        }
    }

    @Test("What is no table says what it is instead") func standIns() throws {
        try scratch { folder in
            func read(_ text: String) -> GradientTableError? {
                try? text.write(toFile: folder + "/t", atomically: true, encoding: .utf8)
                return failure { _ = try NumberTable(path: folder + "/t") }
            }
            for (text, word) in [
                ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
                ("/annex/objects/MD5E-s9--0.bval\n", "git annex get"),
                ("../../.git/annex/objects/a/b/c.bval", "git annex get"), ("\n <!DOCTYPE html><html>", "web page"),
            ] {
                let error = try #require(read(text))
                #expect("\(error)".contains(word) && "\(error)".contains(folder + "/t"))
            }
            try FileManager.default.createSymbolicLink(
                atPath: folder + "/link", withDestinationPath: "../.git/annex/objects/x")
            let error = try #require(failure { _ = try NumberTable(path: folder + "/link") })
            #expect("\(error)".contains("git annex get") && "\(error)".contains("is a link to ../.git/annex/objects/x"))
            #expect(
                failure { _ = try NumberTable(path: folder) } == .unreadable(path: folder, reason: "it is a folder"))
        }
    }
}
