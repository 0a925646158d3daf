import Foundation
import ModelSpace
import Testing

@testable import Regression

private func temporary() throws -> String {
    let path = NSTemporaryDirectory() + "prism-regression-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
}

@Suite struct RegressionResultsTests {
    /// What people bring as a series, and the word by which they are told what is wrong.
    @Test(arguments: [
        ("", "0 observations"), ("x,y\n1,2\n", "1 observations"), ("1,2,3\n", "3 columns"), ("1\n2\n", "1 columns"),
        ("x,y\n1,2\n2,nan\n", "line 3: 'nan'"), ("x,y\n1,2\n2,inf\n", "line 3: 'inf'"), ("1,2\n2,\n", "line 2: ''"),
        ("1,2\nx,y\n", "line 2: 'x'"), ("1;2,5\n2;3\n", "line 1: '2,5'"),
        ((0..<9).map { "\($0),5" }.joined(separator: "\n"), "never changes"),
        ((0..<9).map { "3,\($0)" }.joined(separator: "\n"), "1 different x"),
        ((0..<9).map { "\($0),\($0)e308" }.joined(separator: "\n"), "no finite number"),
        ((0..<9).map { "\($0 % 2 == 0 ? "-" : "")10.\($0)e307,\($0)" }.joined(separator: "\n"), "too large"),
        ((0...5000).map { "\($0),\($0 % 7)" }.joined(separator: "\n"), "more than 5000"),
    ]) func hostileSeries(_ text: String, _ word: String) {
        #expect { try SeriesFile(text: text, name: "a.csv") } throws: { error in
            let message = "\(error)"
            return error is SeriesFileError && message.contains(word) && message.hasSuffix(".")
                && message.hasPrefix("a.csv")
        }
    }

    @Test func waysOfWriting() throws {
        let rows = (0..<10).map { (Double($0) / 2, Double($0 * $0)) }
        for separator in [",", ";", "\t", "  ", " , "] {
            for (head, end) in [("", "\n"), ("time\(separator)flow\n", "\r\n"), ("# a comment\n\n", "\n\n")] {
                let text = "\u{FEFF}" + head + rows.map { "\($0.0)\(separator)\($0.1)" }.joined(separator: end)
                let file = try SeriesFile(text: text, name: "a")
                #expect(file.x == rows.map(\.0) && file.y == rows.map(\.1))
                #expect(head.hasPrefix("t") ? file.names.x == "time" : file.names.x == "x")
                #expect(file.series.x.first == 0 && file.series.x.last == 10)
            }
        }
    }

    @Test func missingFilesAreMissing() throws {
        #expect { try SeriesFile(path: "/nowhere/a.csv") } throws: { ($0 as? SeriesFileError)?.isMissing == true }
        #expect { try SeriesFile(path: "/tmp") } throws: { "\($0)".contains("is a folder") }
    }

    private static func fit() throws -> RegressionFit {
        let text = "x,</script><b>y\n" + (0..<30).map { "\($0),\($0 < 12 ? 3 : 1).\($0 % 4)" }.joined(separator: "\n")
        let file = try SeriesFile(text: text, name: "a")
        var options = SearchOptions()
        (options.expansions, options.draws, options.sweeps) = (4, 100, 40)
        let search = FormulaSearch(RegressionFamily(terms: 15), file.series, lambda: 1, options: options)
        search.run()
        return RegressionFit(search, file: file)
    }

    /// A step is found, comes back from its file as it was, and is read at another λ by the identity.
    @Test func fitReturnsFromItsFile() throws {
        let fit = try Self.fit(), folder = try temporary()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let family = RegressionFamily(terms: 15), step = family.terms.firstIndex { $0.name == "step" }!
        #expect(fit.bits(family, lambda: 1).terms[step] > 0.9)
        try fit.write(to: folder + "/p.safetensors")
        let back = try RegressionFit(path: folder + "/p.safetensors")
        #expect(back.entries.map(\.structure) == fit.entries.map(\.structure))
        #expect(back.probabilities(lambda: 2) == fit.probabilities(lambda: 2))
        #expect(back.coverage == fit.coverage && fit.coverage != nil)
        for (a, b) in zip(back.entries, fit.entries) { #expect(a.draws.count == b.draws.count) }
        let one = fit.probabilities(lambda: 1), two = fit.probabilities(lambda: 2)
        // Formulas have what is listed, terms and noises all of it.
        for (lambda, p) in [(1.0, one), (2, two)] {
            #expect(abs(p.reduce(0, +) - fit.share(lambda: lambda)) < 1e-9 && fit.share(lambda: lambda) < 1)
            #expect(abs(fit.bits(family, lambda: lambda).noises.reduce(0, +) - 1) < 1e-9)
        }
        // A fit without the sampler knows of no rest.
        let alone = RegressionFit(
            terms: 15, file: fit.file, searchLambda: 1, coverage: nil, entries: fit.entries)
        #expect(abs(alone.probabilities(lambda: 1).reduce(0, +) - 1) < 1e-9)
        for i in fit.entries.indices {
            let expected = log(one[i] / one[0]) - Double(fit.entries[i].parameters - fit.entries[0].parameters)
            #expect(abs(log(two[i] / two[0]) - expected) < 1e-9)
        }
        // Damage is told.
        var bytes = FileManager.default.contents(atPath: folder + "/p.safetensors")!
        bytes.removeLast(8)
        try bytes.write(to: URL(fileURLWithPath: folder + "/q.safetensors"))
        #expect(throws: (any Error).self) { try RegressionFit(path: folder + "/q.safetensors") }
    }

    /// The page holds no address, and nothing of the data leaves its script.
    @Test func pageStandsAlone() throws {
        let page = try RegressionPage.html(try Self.fit(), lambda: 1, title: "<img src=x>")
        #expect(!page.contains("http") && !page.contains("<img") && !page.contains("</script><b>"))
        #expect(page.components(separatedBy: "</script>").count == 3)
    }
}
