import Foundation
import Testing

/// The program as its users run it: exit codes, one sentence, nothing left behind.
@Suite struct RegressionProgramTests {
    private static let program: String = {
        // Beside the tests, wherever these were built.
        let here = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let candidates = [here, URL(fileURLWithPath: CommandLine.arguments[0]), Bundle.main.bundleURL].map {
            $0.deletingLastPathComponent().path + "/prism-regression"
        }
        return candidates.first { FileManager.default.isExecutableFile(atPath: $0) } ?? candidates[0]
    }()

    private static func run(_ arguments: [String], in folder: String) throws -> (
        status: Int32, out: String, err: String
    ) {
        let process = Process(), out = Pipe(), err = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        (process.standardOutput, process.standardError) = (out, err)
        try process.run()
        let text = String(decoding: out.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let error = String(decoding: err.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text, error)
    }

    @Test func commandsDoWhatTheySay() throws {
        try #require(FileManager.default.isExecutableFile(atPath: Self.program))
        let manager = FileManager.default, folder = NSTemporaryDirectory() + "prism-regression-\(UUID().uuidString)"
        try manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? manager.removeItem(atPath: folder) }
        let bad: [(Int32, [String], String)] = [
            (64, ["fit"], "Missing expected argument"), (64, ["fit", "a.csv", "--terms", "16"], "--terms is 16"),
            (64, ["fit", "a.csv", "--lambda", "-1"], "--lambda"),
            (64, ["fit", "a.csv", "--lambda", "nan"], "--lambda"),
            (66, ["fit", "nowhere.csv"], "does not exist"), (65, ["fit", "bad.csv"], "columns"),
            (66, ["fit", "good.csv", "--network", "nowhere"], "nowhere"),
            (65, ["fit", "good.csv", "--network", "bad.csv"], "bad.csv"),
            (66, ["maps", "nowhere", "--lambda", "1"], "nowhere"),
            (73, ["fit", "good.csv", "--out", "bad.csv"], "not a folder"),
            (64, ["train", "--out", "n", "--time", "soon"], "'soon' is not a time"),
            (64, ["train", "--out", "n", "--lambda", "1"], "--method sbmi"),
            (64, ["validate", "--lambda", "1", "-2"], "-2"), (66, ["validate", "--network", "nowhere"], "nowhere"),
        ]
        try "1,2,3\n".write(toFile: folder + "/bad.csv", atomically: true, encoding: .utf8)
        let rows = (0..<20).map { "\(1900 + $0),\(7 + 3 * $0).\($0 % 3)" }.joined(separator: "\n")
        try ("year,value\n" + rows).write(toFile: folder + "/good.csv", atomically: true, encoding: .utf8)
        for (status, arguments, word) in bad {
            let result = try Self.run(arguments, in: folder)
            #expect(result.status == status, "\(arguments): \(result.err)")
            #expect(result.err.contains(word) && result.out.isEmpty, "\(arguments): \(result.err)")
        }
        #expect(try manager.contentsOfDirectory(atPath: folder).sorted() == ["bad.csv", "good.csv"])
        let quick = ["--expansions", "4", "--sweeps", "40"]
        let fit = try Self.run(["fit", "good.csv", "--out", "f"] + quick, in: folder)
        #expect(fit.status == 0 && fit.out.contains("y' = "), "\(fit.err)")
        #expect(
            try manager.contentsOfDirectory(atPath: folder + "/f").sorted()
                == [".prism-regression.json", "fit.json", "posterior.safetensors", "report.html"])
        // Where hardly anything is listed, terms' probabilities are a short run's, and that is said.
        let word = "rest on 40 sweeps"
        let many = try Self.run(["fit", "good.csv", "--terms", "100", "--lambda", "0"] + quick, in: folder)
        #expect(many.status == 0 && many.err.contains(word), "\(many.err)")
        let few = try Self.run(["fit", "good.csv", "--lambda", "3"] + quick, in: folder)
        #expect(few.status == 0 && !few.err.contains(word), "\(few.err)")
        let again = try Self.run(["fit", "good.csv", "--out", "f"] + quick, in: folder)
        #expect(again.status == 73 && again.err.contains("--force"))
        // The same series gives the same bytes.
        let first = manager.contents(atPath: folder + "/f/posterior.safetensors")
        #expect(try Self.run(["fit", "good.csv", "--out", "f", "--force"] + quick, in: folder).status == 0)
        #expect(manager.contents(atPath: folder + "/f/posterior.safetensors") == first)
        // A file of others stays and a changed one stops it; what another command wrote is never replaced.
        try "mine".write(toFile: folder + "/f/notes.txt", atomically: true, encoding: .utf8)
        #expect(try Self.run(["fit", "good.csv", "--out", "f", "--force"] + quick, in: folder).status == 0)
        #expect(try String(contentsOfFile: folder + "/f/notes.txt", encoding: .utf8) == "mine")
        let other = try Self.run(["simulate", "--out", "f", "--force"], in: folder)
        #expect(other.status == 73 && other.err.contains("holds a fit"), "\(other.err)")
        let maps = try Self.run(["maps", "f", "--lambda", "2", "--json", "--out", "g"], in: folder)
        #expect(maps.status == 0 && maps.out.contains("\"lambda\" : 2"), "\(maps.err)")
        let train = try Self.run(
            ["train", "--out", "n.safetensors", "--simulations", "512", "--width", "16", "--nthreads", "1"], in: folder)
        #expect(train.status == 0, "\(train.err)")
        let more = try Self.run(
            ["train", "--out", "n.safetensors", "--simulations", "1024", "--width", "16", "--resume", "--reopen"],
            in: folder)
        #expect(more.status == 0, "\(more.err)")
        // Taken by one run at a time, and never from a file that no training wrote.
        let lock = open(folder + "/.n.safetensors.lock", O_RDWR | O_CREAT, 0o666)
        flock(lock, LOCK_EX)
        let taken = try Self.run(["train", "--out", "n.safetensors", "--simulations", "512", "--force"], in: folder)
        #expect(taken.status == 73 && taken.err.contains("being written by another run"), "\(taken.err)")
        close(lock)
        let foreign = try Self.run(["train", "--out", "good.csv", "--simulations", "512", "--force"], in: folder)
        #expect(foreign.status == 73 && foreign.err.contains("not written by this command"), "\(foreign.err)")
        let with = try Self.run(["fit", "good.csv", "--network", "n.safetensors"] + quick, in: folder)
        #expect(with.status == 0 && with.out.contains("y' = "), "\(with.err)")
        // The baseline: trained, read by 'validate', refused by 'fit', resumed only with its own λ.
        let sbmi = ["train", "--method", "sbmi", "--out", "s.safetensors", "--width", "16", "--nthreads", "1"]
        let baseline = try Self.run(sbmi + ["--simulations", "512"], in: folder)
        #expect(baseline.status == 0, "\(baseline.err)")
        let otherLambda = try Self.run(sbmi + ["--simulations", "1024", "--resume", "--lambda", "2"], in: folder)
        #expect(otherLambda.status == 73 && otherLambda.err.contains("other settings"), "\(otherLambda.err)")
        let refused = try Self.run(["fit", "good.csv", "--network", "s.safetensors"] + quick, in: folder)
        #expect(refused.status == 65 && refused.err.contains("trained with --method sbmi"), "\(refused.err)")
        for network in ["n.safetensors", "s.safetensors"] {
            let valid = try Self.run(
                ["validate", "--series", "1", "--subspace", "4", "--network", network, "--lambda", "1", "2"], in: folder
            )
            #expect(valid.status == 0 && valid.out.contains("λ = 2.0"), "\(valid.err)")
            #expect(valid.out.components(separatedBy: "network").count == 7, "\(valid.out)")
        }
    }
}
