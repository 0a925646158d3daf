import Baselines
import Files
import Foundation
import Networks
import Tensors
import Training

/// The three files of a training: the network, its checkpoint and its log. None of them takes the place of a file that
/// no training wrote.
package struct TrainingFiles {
    package let network: String
    private let lock: OutputLock
    package var checkpoint: String { network + ".checkpoint" }
    package var log: String { network + ".log.jsonl" }

    /// - Parameters:
    ///   - inputs: files that the training reads.
    /// - Throws: `OutputFileError`, `NetworkInTheWay`, `OutputFolderError.taken`.
    package init(
        _ path: String, force: Bool, resume: Bool, inputs: [String]
    ) throws {
        network = path
        let known: [(path: String, isOurs: (String) -> Bool)] = [
            // Of either method: a checkpoint of the other one is refused in its own words.
            (path, { (try? NetworkFile(path: $0)) != nil || (try? SBMIFile(path: $0)) != nil }),
            (path + ".checkpoint", { (try? SafetensorsReader(path: $0))?.metadata["counters"] != nil }),
            (
                path + ".log.jsonl",
                { FileManager.default.contents(atPath: $0)?.starts(with: Data("{\"step\":".utf8)) ?? false }
            ),
        ]
        for (path, isOurs) in known {
            var information = stat()
            guard stat(path, &information) == 0 else { continue }
            guard information.st_mode & S_IFMT == S_IFREG else { throw OutputFileError.foreign(path: path) }
            let place = FileIdentity(path)
            if inputs.contains(where: { FileIdentity($0) == place }) { throw OutputFileError.isInput(path: path) }
            guard information.st_size == 0 || isOurs(path) else { throw OutputFileError.foreign(path: path) }
            if !force && !resume { throw NetworkInTheWay(path: path) }
        }
        let folder = FilePath.folder(of: path), name = FilePath.name(of: path)
        guard let lock = try OutputLock(path: (folder.isEmpty ? "" : folder + "/") + ".\(name).lock", name: path) else {
            throw OutputFolderError.taken(path: path)
        }
        self.lock = lock
        for (path, _) in known { Leftovers.remove(of: path) }
    }
}

extension TrainingFiles {
    /// What to say of a training that is to go on and has come to its end already; nil of one that can.
    /// - Parameter wanted: simulations asked for, from the run's start on.
    package static func saysNothingLeft(_ state: TrainerState, wanted: Int?) -> String? {
        let done = state.simulations
        if state.schedule.isFinished(step: state.step) {
            return """
                nothing to do: the learning rate of this run has fallen to zero, after \(done) simulations; give \
                --reopen to start a new round
                """
        }
        guard let wanted, done >= wanted else { return nil }
        return "nothing to do: this run has done \(done) simulations already; give --simulations above that"
    }
}

extension OtherMethod: CommandFailure {
    package var exitStatus: ExitStatus { .cannotCreate }
    public var description: String {
        "\(path) is of a training by --method \(found), not \(wanted); give that method, or start over by --force"
    }
}

extension OtherNetwork: CommandFailure {
    package var exitStatus: ExitStatus { .cannotCreate }
    public var description: String {
        """
        \(path) is of a network of other sizes than this recipe and these options describe; give those that it was \
        begun with, or start over by --force
        """
    }
}

package struct NetworkInTheWay: CommandFailure {
    let path: String
    package var exitStatus: ExitStatus { .cannotCreate }
    package var description: String {
        "\(path) exists already; give --resume to go on with it or --force to start over"
    }
}
