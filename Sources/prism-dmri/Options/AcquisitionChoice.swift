import ArgumentParser
import CommandLineSupport
import Diffusion
import Foundation
import Studies

/// How the voxels that a study simulates are acquired.
struct AcquisitionChoice: ParsableArguments {
    @Option(help: "Acquisition (YAML).", completion: .file()) var acquisition: String?
    @Option(help: "Folder of .bval/.bvec pairs, used in turn.", completion: .directory) var schemes: String?

    func validate() throws {
        if acquisition != nil && schemes != nil { throw ValidationError("Give either --acquisition or --schemes.") }
    }

    /// How an acquisition states when its gradients' pulses come.
    static let timing = "an acquisition's file says it as 'timing'"

    /// What errors call them.
    var name: String { acquisition ?? schemes ?? "the acquisitions of its recipe" }

    /// - Parameter mixture: what they are drawn from where none is given.
    func open(else mixture: () throws -> ProtocolMixture) throws -> SimulationStudy.Acquisitions {
        if let acquisition { return .listed([try AcquisitionFile(path: acquisition).acquisition()]) }
        guard let schemes else { return .mixture(try mixture()) }
        let names = try FileManager.default.contentsOfDirectory(atPath: schemes).filter { $0.hasSuffix(".bval") }
            .sorted()
        var found: [Acquisition] = []
        for name in names {
            let path = schemes + "/" + name
            do {
                found.append(
                    try GradientTable.readFSL(bvals: path, bvecs: String(path.dropLast(4)) + "bvec").acquisition(
                        conversion: .identity))
            } catch { Terminal.note("warning: \(name) is left out: \(Failure.describe(error).message)") }
        }
        guard !found.isEmpty else { throw NoSchemes(path: schemes) }
        return .listed(found)
    }
}

extension FamilyChoice {
    /// Refuses acquisitions on which the family's signals are not accurate.
    /// - Parameter scan: what they are called.
    func check(_ acquisitions: SimulationStudy.Acquisitions, _ scan: String) throws {
        let largest =
            switch acquisitions {
            case .mixture(let mixture): max(mixture.largestB, mixture.largestGridB)
            case .listed(let list): list.flatMap(\.bValues).max() ?? 0
            }
        try check(largestB: largest, of: scan)
    }
}

/// A folder of schemes without any.
struct NoSchemes: CommandFailure {
    let path: String
    var exitStatus: ExitStatus { .missingInput }
    var description: String { "\(path) holds no usable .bval/.bvec pair; choose another folder" }
}
