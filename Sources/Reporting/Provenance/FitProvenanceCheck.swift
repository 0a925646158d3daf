import Files
import Foundation
import Volumes

extension FitProvenance {
    /// Reads a `fit.json`, and refuses one that no fit could have written.
    /// - Throws: `ReportingError.badProvenance`; Foundation's errors for a file that cannot be read.
    public init(path: String) throws {
        func bad(_ reason: String) -> ReportingError { .badProvenance(path: path, reason: reason) }
        let attributes = try FileManager.default.attributesOfItem(
            atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)
        guard attributes[.type] as? FileAttributeType == .typeRegular else { throw bad("it is not a regular file") }
        guard (attributes[.size] as? Int).map({ $0 <= Self.longestFile }) ?? false else { throw bad("it is too long") }
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        do {
            self = try decoder.decode(FitProvenance.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        } catch let error as DecodingError {
            throw bad(Self.describe(error))
        }
        if let defect { throw bad(defect) }
    }

    private static let longestFile = 16 << 20
    /// Larger than any count of voxels, volumes or bytes that a fit can state.
    private static let largest = 1 << 50

    /// The first entry that makes no sense, in words; nil when there is none.
    var defect: String? {
        func isCount(_ n: Int) -> Bool { (0...Self.largest).contains(n) }
        func bad(_ name: String, _ value: Any) -> String {
            "'\(name)' is \("\(value)".printable(longest: 80)), which makes no sense"
        }
        if !(0...1000).contains(lambda) { return bad("lambda", lambda) }
        if !(0...1000).contains(drawLambda) { return bad("drawLambda", drawLambda) }
        if !(1...1_000_000).contains(drawsPerVoxel) { return bad("drawsPerVoxel", drawsPerVoxel) }
        if !(1...1_000_000).contains(threads) { return bad("threads", threads) }
        if !isCount(peakMemoryBytes) { return bad("peakMemoryBytes", peakMemoryBytes) }
        for (stage, seconds) in timings where !(0...1e9).contains(seconds) {
            return bad("timings.\(stage.printable(longest: 40))", seconds)
        }
        if !isCount(counts.voxels) || !(0...counts.voxels).contains(counts.fitted) {
            return bad("counts", "\(counts.fitted) of \(counts.voxels)")
        }
        for (flag, n) in counts.flagged where !isCount(n) {
            return bad("counts.flagged.\(flag.printable(longest: 40))", n)
        }
        if let known = knownNoise, !isCount(known.voxels) || !isCount(known.without) {
            return bad("knownNoise", "\(known.voxels) and \(known.without)")
        }
        if let a = acquisition {
            if !(0...1_000_000).contains(a.volumeCount) { return bad("acquisition.volumeCount", a.volumeCount) }
            if !(0...a.volumeCount).contains(a.baselineCount) {
                return bad("acquisition.baselineCount", a.baselineCount)
            }
            for shell in a.shells
            where !(0...1e7).contains(shell.bValue) || !(0...a.volumeCount).contains(shell.volumeCount) {
                return bad("acquisition.shells", "b = \(shell.bValue), \(shell.volumeCount) volumes")
            }
            for (name, text, rows) in [("bvals", a.table?.bvals, 1), ("bvecs", a.table?.bvecs, 3)] {
                guard let text else { continue }
                let words = text.split(whereSeparator: \.isWhitespace)
                guard words.count == rows * a.volumeCount, words.allSatisfy({ Double($0)?.isFinite == true }) else {
                    return bad("acquisition.table.\(name)", text)
                }
            }
        }
        // A grid or an affine that is not there is looked for elsewhere.
        if !grid.isEmpty {
            var extent = 1, overflow = false
            for n in grid where !overflow { (extent, overflow) = extent.multipliedReportingOverflow(by: n) }
            if grid.count != 3 || !grid.allSatisfy({ $0 > 0 }) || overflow || extent > Int(Int32.max) {
                return bad("grid", grid)
            }
        }
        if !affine.isEmpty, affine.count != 16 || !affine.allSatisfy({ abs($0) <= 1e6 }) {
            return bad("affine", affine)
        }
        if !sourceStem.isPlainFileName {
            return "'sourceStem' is '\(sourceStem.printable(longest: 80))', which is not the name of a file"
        }
        return nil
    }

    private static func describe(_ error: DecodingError) -> String {
        func place(_ context: DecodingError.Context) -> String {
            context.codingPath.map(\.stringValue).joined(separator: ".")
        }
        switch error {
        case .keyNotFound(let key, _): return "it lacks '\(key.stringValue)'"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return "'\(place(context))' is not of its kind"
        case .dataCorrupted(let context):
            return context.codingPath.isEmpty ? "it is not valid JSON" : "'\(place(context))' makes no sense"
        @unknown default: return "it does not hold what it should"
        }
    }
}
