import Foundation
import ModelSpace
import Tensors
import Testing

/// Damaged files by the thousand through every parser, in this process: each must end with a value or an error, in
/// little time and memory.
///
/// A few thousand run with the other tests. More, with any seed, and only some parsers where named:
///
///     PRISM_FUZZ_INPUTS=1000000 PRISM_FUZZ_SEED=2 [PRISM_FUZZ_ONLY=network,archive] PRISM_FUZZ_FOLDER=/tmp/fuzz swift
///     test -c release --filter FuzzTests
///
/// A parser that kills the process leaves its input in the folder, under the parser's name.
@Suite struct FuzzTests {
    @Test("Damaged files give a value or an error")
    func damage() throws {
        let environment = ProcessInfo.processInfo.environment
        let inputs = environment["PRISM_FUZZ_INPUTS"].flatMap(Int.init) ?? 3000,
            seed = environment["PRISM_FUZZ_SEED"].flatMap(UInt64.init) ?? 1
        let folder =
            environment["PRISM_FUZZ_FOLDER"]
            ?? FileManager.default.temporaryDirectory.appendingPathComponent("fuzz-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { if environment["PRISM_FUZZ_FOLDER"] == nil { try? FileManager.default.removeItem(atPath: folder) } }
        let only = environment["PRISM_FUZZ_ONLY"]?.split(separator: ",").map(String.init)
        let parsers = try FuzzedParser.all(in: folder).filter { only?.contains($0.name) ?? true }
        let lots = parsers.flatMap { Array(repeating: $0, count: $0.weight) }
        var counts: [String: (inputs: Int, accepted: Int, slowest: Double)] = [:]
        for number in 0..<inputs {
            var mutator = Mutator(random: RandomSource(seed: seed, stream: UInt64(number)))
            let parser = mutator.pick(lots), path = folder + "/" + parser.name
            // Now and then a sound file, without which nothing would show that any passes.
            let input =
                mutator.chance(0.01) ? mutator.pick(parser.seeds) : parser.mutate(&mutator, mutator.pick(parser.seeds))
            overwrite(path, input)
            let begin = Stopwatch.threadSeconds
            var count = counts[parser.name] ?? (0, 0, 0)
            do {
                try parser.parse(path)
                count.accepted += 1
            } catch {
                if "\(error)".isEmpty {
                    Issue.record("input \(number) of seed \(seed): \(parser.name) refuses without a word")
                }
            }
            let seconds = Stopwatch.threadSeconds - begin
            if seconds > 1 {
                Issue.record("input \(number) of seed \(seed): \(parser.name) took \(seconds) s of processor time")
                overwrite("\(folder)/slow-\(number)-\(parser.name)", input)
            }
            count = (count.inputs + 1, count.accepted, max(count.slowest, seconds))
            counts[parser.name] = count
            if inputs > 10_000, number % 20_000 == 19_999 {
                FileHandle.standardError.write(Data("\(number + 1) inputs\n".utf8))
            }
        }
        for (name, count) in counts.sorted(by: { $0.key < $1.key }) {
            print(
                String(
                    format: "%@: %d inputs, %d accepted, slowest %.1f ms", name, count.inputs, count.accepted,
                    count.slowest * 1e3))
            #expect(count.accepted < count.inputs || count.inputs < 20, "\(name): nothing was refused")
            #expect(count.accepted > 0 || count.inputs < 400, "\(name): nothing passed, not even what is sound")
        }
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        print("largest memory \(usage.ru_maxrss / 1024) MiB")
        #expect(usage.ru_maxrss < 1 << 20, "more than 1 GiB of memory")
    }
}

/// Writes a file in its place: Foundation's ways go by a temporary file and the disk, and take a hundred times as long.
func overwrite(_ path: String, _ bytes: [UInt8]) {
    guard let file = fopen(path, "w") else { preconditionFailure("\(path) cannot be written") }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
}
