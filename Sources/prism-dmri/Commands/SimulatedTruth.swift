import Diffusion
import Foundation
import Reporting

extension Simulate {
    /// The first part of truth.json: how the phantom was made.
    func explanation(_ phantom: Phantom, _ acquisition: Acquisition, _ protocolName: String) -> [(
        key: String, value: JSONValue
    )] {
        func text(_ value: Double?, or other: String) -> JSONValue {
            guard let value else { return .string(other) }
            return value.isFinite ? .number(value) : "no noise"
        }
        let isPrior = kind == .prior
        var settings: [(key: String, value: JSONValue)] = [
            ("kind", .string(kind.rawValue)), ("size", .array(phantom.shape.map { .integer($0) })),
            ("seed", .string(String(seed))),
            ("snr", isPrior ? text(snr, or: "drawn from the prior") : text(snr ?? 30, or: "")),
            (
                "noise",
                .string(noise?.rawValue ?? (isPrior ? "drawn with the structure" : Phantom.Noise.rician.rawValue))
            ),
        ]
        if kind == .crossings {
            settings.append(("angles", .array(crossingAngles.map { .number($0) })))
            settings.append(("fractions", .array((fractions ?? [0.35, 0.35]).map { .number($0) })))
        }
        if kind == .crossings || kind == .water {
            settings.append(("diffusivity", .number(diffusivity ?? (kind == .water ? 2.16e-3 : 1.5e-3))))
        }
        if let gradientDeviation { settings.append(("gradientDeviation", .number(gradientDeviation))) }
        if isPrior { settings.append(("lambda", .number(lambda ?? 0))) }
        let description: [(key: String, value: JSONValue)] = [
            ("name", .string(protocolName)), ("volumes", .integer(acquisition.count)),
            ("unweighted", .integer(acquisition.unweightedCount)),
            ("largestB", .number(acquisition.bValues.max()!)),
        ]
        return [
            ("software", "prism-dmri"), ("version", .string(PrismDMRI.version)),
            ("commandLine", .array(CommandLine.arguments.map { .string($0) })), ("settings", .object(settings)),
            ("acquisition", .object(description)),
        ]
    }
}
