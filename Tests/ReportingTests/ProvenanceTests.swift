import Foundation
import Inference
import Testing
import Volumes

@testable import Reporting

/// A `fit.json` is believed only where it makes sense.
struct ProvenanceTests {
    /// Paths of all values below a JSON value.
    private func places(_ value: Any, _ path: [Any] = []) -> [[Any]] {
        if let object = value as? [String: Any] {
            return [path] + object.keys.sorted().flatMap { places(object[$0]!, path + [$0]) }
        }
        if let list = value as? [Any] { return [path] + list.indices.flatMap { places(list[$0], path + [$0]) } }
        return [path]
    }

    private func replacing(_ value: Any, at path: [Any], by other: Any?) -> Any {
        guard let step = path.first else { return other ?? NSNull() }
        let rest = Array(path.dropFirst())
        if var object = value as? [String: Any], let key = step as? String {
            if rest.isEmpty && other == nil {
                object[key] = nil
            } else {
                object[key] = replacing(object[key]!, at: rest, by: other)
            }
            return object
        }
        guard var list = value as? [Any], let i = step as? Int else { return value }
        list[i] = replacing(list[i], at: rest, by: other)
        return list
    }

    @Test func everyValueInTurnMayBeWrong() throws {
        let phantom = BundlePhantom(BundlePhantom.affines[0].affine, drawCount: 3),
            folder = try OutputFolder("provenance")
        let archive = try phantom.write(to: folder.path), path = folder.path + "/fit.json"
        let summary = PosteriorSummary(archive, lambda: 0.5, threads: 2)
        let content = Report.Content(summary, archive: archive, geometry: phantom.geometry, survey: nil, threads: 2)
        var good = phantom.provenance()
        (good.grid, good.affine, good.timings) = (
            phantom.geometry.spatialShape, phantom.geometry.affine.elements, ["fitting": 1.5]
        )
        good.counts.flagged = ["some reason": 1]
        good.warnings = ["a warning"]
        try good.write(to: path)
        #expect(try FitProvenance(path: path) == good)
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
        let wrong: [Any?] = [
            nil, NSNull(), -1, 0, 1.5, 1e300, -1e300, Int.max, Int.min, 2_000_000_000, "nan", "inf", "-inf", "", "x",
            "../x", "\u{1B}[2J\n", true, [Any](), [[[[1]]]],
            [String: Any](), ["a": ["b": 1]], [1, 2, 3],
        ]
        var refused = 0, accepted = 0
        for place in places(json) where !place.isEmpty {
            for value in wrong {
                try JSONSerialization.data(withJSONObject: replacing(json, at: place, by: value)).write(
                    to: URL(fileURLWithPath: path))
                do {
                    let provenance = try FitProvenance(path: path)
                    accepted += 1
                    #expect(provenance.sourceStem.isPlainFileName && provenance.lambda.isFinite)
                    // What is accepted can be written down.
                    if accepted % 10 == 0 || !(place[0] as? String == "inputs") {
                        _ = try content.page(provenance, threads: 1)
                    }
                } catch let error as ReportingError {
                    refused += 1
                    #expect("\(error)".hasPrefix(path) && !"\(error)".contains("\n"))
                }
            }
        }
        #expect(refused > 300 && accepted > 100)
    }

    @Test func whatIsNoJSONIsRefused() throws {
        let folder = try OutputFolder("provenance-junk"), path = folder.path + "/fit.json"
        let deep = String(repeating: "[", count: 100_000)
        for text in ["", "{", "[]", "null", "1", deep, "{\"lambda\":" + deep, "\u{0}", "{\"version\":\"\\ud800\"}"] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            #expect(throws: ReportingError.self) { try FitProvenance(path: path) }
        }
        try FileManager.default.removeItem(atPath: path)
        #expect(throws: (any Error).self) { try FitProvenance(path: path) }
        // A pipe would be waited for.
        #expect(mkfifo(path, 0o600) == 0)
        #expect(throws: ReportingError.self) { try FitProvenance(path: path) }
    }
}
