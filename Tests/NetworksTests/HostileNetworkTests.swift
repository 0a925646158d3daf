import Foundation
import ModelSpace
import Tensors
import Testing

@testable import Networks

/// Network files that lie about themselves, each refused with one sentence and before memory is taken on their word.
@Suite struct HostileNetworkTests {
    private static let network: Network = {
        var c = NetworkConfiguration()
        (c.width, c.heads, c.latents, c.blocksPerReading, c.structureBlocks) = (8, 2, 2, 1, 1)
        (c.parameterWidth, c.parameterHeads, c.parameterBlocks) = (8, 2, 1)
        return Network(FamilyShape(features: 20, summaries: 22, components: 5, tokens: 4, coordinates: 11), c)
    }()
    private let path = FileManager.default.temporaryDirectory.appendingPathComponent("network-\(UUID().uuidString)")
        .path

    /// The refusal of a network whose metadata and weights were changed; nil when it is read.
    private func refusal(
        _ change: (inout [String: String]) -> Void = { _ in }, weights spoil: (inout [Float]) -> Void = { _ in }
    ) throws -> String? {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let origin = NetworkOrigin(
            name: "n", family: "f", recipe: "", simulations: 1, steps: 1, structureLoss: .nan, parameterLoss: 1)
        var metadata = try NetworkFile.metadata(network: Self.network, origin: origin),
            weights = Self.network.initialWeights(seed: 1)
        change(&metadata)
        spoil(&weights)
        try SafetensorsWriter.write(Self.network.layout.tensors(weights), metadata: metadata, to: path)
        do { _ = try NetworkFile(path: path) } catch { return "\(error)" }
        return nil
    }

    @Test func soundIsRead() throws { #expect(try refusal() == nil) }

    @Test(arguments: [
        "width", "heads", "latents", "blocksPerReading", "structureBlocks", "parameterWidth", "parameterHeads",
        "parameterBlocks",
    ])
    func sizes(_ key: String) throws {
        for number in [
            "-1", "1000000000", "9223372036854775807", "1e30", "99999999999999999999", "null", "2.5", "\"2\"", "[2]",
        ] + (key == "blocksPerReading" ? [] : ["0"]) {
            let text = try refusal {
                $0["configuration"] = $0["configuration"]!.replacingOccurrences(
                    of: "\"\(key)\":[0-9]+", with: "\"\(key)\":\(number)", options: .regularExpression)
            }
            #expect(
                text.map { $0.contains(path) && ($0.contains("'\(key)' is") || $0.contains("'configuration'")) }
                    == true, "\(key) \(number): \(text ?? "passed")")
        }
    }

    @Test(arguments: ["features", "summaries", "components", "tokens", "coordinates"])
    func shapes(_ key: String) throws {
        for number in ["0", "-1", "1000000000", "9223372036854775807"] {
            let text = try refusal {
                $0["shape"] = $0["shape"]!.replacingOccurrences(
                    of: "\"\(key)\":[0-9]+", with: "\"\(key)\":\(number)", options: .regularExpression)
            }
            #expect(text?.contains("'\(key)' is") == true, "\(text ?? "passed")")
        }
        // Within bounds, but not what the file holds.
        let text = try refusal {
            $0["shape"] = $0["shape"]!.replacingOccurrences(
                of: "\"features\":[0-9]+", with: "\"features\":1000", options: .regularExpression)
        }
        #expect(text?.contains("has shape") == true, "\(text ?? "passed")")
    }

    @Test func together() throws {
        func set(_ pairs: [String: Int]) throws -> String? {
            try refusal {
                for (key, value) in pairs {
                    $0["configuration"] = $0["configuration"]!.replacingOccurrences(
                        of: "\"\(key)\":[0-9]+", with: "\"\(key)\":\(value)", options: .regularExpression)
                }
            }
        }
        #expect(try set(["heads": 3])?.contains("multiple of 'heads'") == true)
        #expect(try set(["parameterHeads": 3])?.contains("multiple of 'parameterHeads'") == true)
        #expect(try set(["width": 1024, "structureBlocks": 16])?.contains("million weights") == true)
        #expect(try set(["width": 64])?.contains("has shape") == true)
    }

    @Test func origins() throws {
        for (key, value) in [("simulations", "-1"), ("simulations", "9223372036854775807"), ("steps", "-5")] {
            let text = try refusal {
                $0["origin"] = $0["origin"]!.replacingOccurrences(of: "\"\(key)\":1", with: "\"\(key)\":\(value)")
            }
            #expect(text?.contains("'\(key)' is") == true, "\(text ?? "passed")")
        }
        for key in ["shape", "configuration", "origin"] {
            #expect(try refusal { $0[key] = nil }?.contains("'\(key)'") == true)
        }
        #expect(try refusal { $0["configuration"] = String(repeating: "[", count: 100_000) } != nil)
    }

    @Test func weightsThatAreNotFinite() throws {
        for value in [Float.nan, .infinity, -.infinity] {
            for place in [0, Self.network.layout.references.last!.offset] {
                #expect(try refusal(weights: { $0[place] = value })?.contains("are not all finite") == true)
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func pipesAndFolders() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(mkfifo(path, 0o600) == 0)
        for (place, what) in [
            (path, "a pipe"), (FileManager.default.temporaryDirectory.path, "a folder"), ("/dev/null", "a device"),
        ] {
            do {
                _ = try NetworkFile(path: place)
                Issue.record("\(place) was read")
            } catch { #expect("\(error)".contains("is \(what), not a file"), "\(error)") }
        }
    }
}
