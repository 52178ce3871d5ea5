// The small process that starts programs for a big one (starter.ts), as text for perl. Copying a process to start a program costs as much as the
// process is big: this one has a few megabytes. It reads frames on its input and answers in lines of numbers; it ends when its input does.
//
// Frame: its length (32 bits, big endian), then fields with a zero byte between them.
//   hold ID INPUT CWD N name value … file argument …   makes a process ready to be this program. INPUT 1: it reads from a pipe. A line for
//                                                      /bin/sh is ready when the shell is: loaded, it waits for a line before it begins
//   go ID                                              lets it be the program
//   drop ID                                            lets it end instead
//   opened ID                                          its pipes are held by the other side
// Line:
//   started ID PID IN OUT ERR    numbers of file descriptors of this process; the program runs
//   failed ID ERRNO              it does not
//   ended ID STATUS              as wait(2) gives it

export const STARTER_PROGRAM = String.raw`
use strict;
my ($buffer, %kept, %of, %held) = ("");
$SIG{CHLD} = sub { };
sub reply { my $line = join(" ", @_) . "\n"; syswrite(STDOUT, $line) }
sub child {
  my ($go, $in, $out, $err, $cwd, $env, $line) = @_;
  setpgrp(0, 0);
  $SIG{CHLD} = "DEFAULT";
  open(STDIN, "<&", $in) && open(STDOUT, ">&", $out) && open(STDERR, ">&", $err) && chdir($cwd) or return;
  close($_) for $in, $out, $err;
  %ENV = @$env;
  shell($go, $line) if isShell(@$line);
  sysread($go, my $word, 1) or kill("KILL", $$);
  exec { $line->[0] } @$line;
}
sub isShell { @_ == 3 && $_[0] eq "/bin/sh" && $_[1] eq "-c" }
sub shell {
  my ($go, $line) = @_;
  local $^F = 9;
  open(my $waits, "<&", $go) or return;
  my $fd = fileno($waits);
  return if $fd > 9;
  my $first = "IFS= read -r PINCER_GO <&$fd || exit 125; unset PINCER_GO; exec $fd<&-; ";
  exec { "/bin/sh" } "/bin/sh", "-c", $first . $line->[2];
}
sub hold {
  my ($id, $input, $cwd, $count, @rest) = @_;
  my @env = splice(@rest, 0, 2 * $count);
  my ($in, $inEnd, $out, $outEnd, $err, $errEnd, $told, $telling, $go, $goEnd);
  my $made = pipe($outEnd, $out) && pipe($errEnd, $err) && pipe($told, $telling) && pipe($go, $goEnd)
    && ($input ? pipe($in, $inEnd) : open($in, "<", "/dev/null"));
  my $pid = $made ? fork() : undef;
  if (!defined $pid) { $held{$id} = { error => $! + 0 }; return }
  if ($pid == 0) {
    no warnings;
    undef $_ for $goEnd, $inEnd, $outEnd, $errEnd, $told;
    (%held, %kept) = ();
    child($go, $in, $out, $err, $cwd, \@env, \@rest);
    syswrite($telling, $! + 0);
    kill("KILL", $$);
  }
  setpgrp($pid, $pid);
  $held{$id} = { pid => $pid, go => $goEnd, told => $told, in => $inEnd, out => $outEnd, err => $errEnd,
    shell => isShell(@rest) };
}
sub go {
  my ($id) = @_;
  my $one = delete $held{$id};
  return reply("failed", $id, $one->{error}) if $one->{error};
  { local $SIG{PIPE} = "IGNORE"; syswrite($one->{go}, "g\n") }
  if (sysread($one->{told}, my $errno, 16)) {
    waitpid($one->{pid}, 0);
    return reply("failed", $id, $errno);
  }
  return reply("failed", $id, 3) if defined $one->{over} && !$one->{shell};
  $of{$one->{pid}} = $id unless defined $one->{over};
  my @pipes = ($one->{in}, $one->{out}, $one->{err});
  $kept{$id} = \@pipes;
  reply("started", $id, $one->{pid}, map { $_ ? fileno($_) : -1 } @pipes);
  reply("ended", $id, $one->{over}) if defined $one->{over};
}
for (;;) {
  while ((my $pid = waitpid(-1, 1)) > 0) {
    if (exists $of{$pid}) { reply("ended", delete $of{$pid}, $?) }
    else { $_->{over} = $? for grep { !$_->{error} && $_->{pid} == $pid } values(%held) }
  }
  my $ready = "";
  vec($ready, 0, 1) = 1;
  # A child that ends right before this call does not wake it.
  next if select($ready, undef, undef, %of ? 0.02 : undef) <= 0;
  sysread(STDIN, $buffer, 65536, length($buffer)) or exit(0);
  while (length($buffer) >= 4) {
    my $length = unpack("N", $buffer);
    last if length($buffer) < 4 + $length;
    my ($verb, @fields) = split(/\0/, substr($buffer, 4, $length), -1);
    substr($buffer, 0, 4 + $length) = "";
    if ($verb eq "hold") { hold(@fields) }
    elsif ($verb eq "go") { go(@fields) }
    elsif ($verb eq "drop") { delete $held{$fields[0]} }
    else { delete $kept{$fields[0]} }
  }
}
`
