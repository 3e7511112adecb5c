// The blind quiz: one tile after another, told at the end what they were.

import { drawPng } from "./draw.js";
import { askBytes, askJson, follow } from "./server.js";

const by = (id) => document.getElementById(id);
const percent = (fraction) => `${Math.round(100 * fraction)} %`;

export function setUpQuiz(about, tell) {
  const kind = about.is_simulated
    ? "Real means tissue of the simulated data set here, for these weights have seen no other."
    : "Real tiles are of patients that the generator has not seen.";
  const why = about.lacking.tiles;
  const what = "One tile after another; chance decides whether it is real or made from a real tile's mask.";
  const rest = `${kind} Answers are kept in a table (quiz.csv). What was right is told at the end.`;
  by("quiz-about").textContent = why ? what : `${what} ${rest}`;
  by("lack-quiz").hidden = !why;
  by("lack-quiz").textContent = why ? `Not here: ${why}.` : "";
  by("quiz-start").hidden = Boolean(why);
  for (const { name } of about.variants) by("quiz-variant").append(new Option(name));
  if (about.variants.some(({ name }) => name === "sd-sc")) by("quiz-variant").value = "sd-sc";
  const quiz = { round: null, number: 0, num: 0, shown: [] };
  by("quiz-start").onsubmit = (event) => {
    event.preventDefault();
    begin(quiz, tell).catch(tell);
  };
  const say = (answer) => answerQuestion(quiz, answer).catch(tell);
  by("say-real").onclick = () => say("real");
  by("say-synthetic").onclick = () => say("synthetic");
  document.addEventListener("keydown", (event) => {
    const isBusy = by("quiz-view").hidden || by("question").hidden || event.ctrlKey;
    if (isBusy || event.metaKey || event.target.matches("input, select")) return;
    if (event.key.toLowerCase() === "r") say("real");
    if (event.key.toLowerCase() === "s") say("synthetic");
  });
}

async function begin(quiz, tell) {
  const column = by("quiz-variant").value;
  const reader = by("reader").value.trim();
  const asked = new URLSearchParams({ column, num: by("quiz-num").value, reader });
  by("quiz-result").hidden = true;
  by("quiz-start").querySelector("button").disabled = true;
  try {
    const begun = await follow(`quiz?${asked}`, {}, (kind, said) => {
      if (kind === "progress") tell(`${said.what}: ${said.done} of ${said.total}`);
    });
    Object.assign(quiz, begun, { column, reader, number: 0, shown: [], isWaiting: false });
  } finally {
    by("quiz-start").querySelector("button").disabled = false;
  }
  tell("");
  by("question").hidden = false;
  await show(quiz);
}

async function show(quiz) {
  const png = await askBytes(`quiz/${quiz.round}/${quiz.number}.png`);
  quiz.shown.push(png);
  await drawPng(by("question-tile"), png);
  by("question-number").textContent = `Question ${quiz.number + 1} of ${quiz.num}`;
  by("question-number").focus({ preventScroll: true });
}

async function answerQuestion(quiz, answer) {
  if (quiz.isWaiting) return;
  quiz.isWaiting = true;
  try {
    const body = JSON.stringify({ answer, reader: quiz.reader });
    const { left } = await askJson(`quiz/${quiz.round}/${quiz.number}`, { method: "POST", body });
    quiz.number += 1;
    if (left) await show(quiz);
    else await tellResult(quiz);
  } finally {
    quiz.isWaiting = false;
  }
}

async function tellResult(quiz) {
  const result = await askJson(`quiz/${quiz.round}`);
  const place = by("quiz-result");
  by("question").hidden = true;
  const sentence = (who, { right, num, fraction, low, high }) => {
    const line = document.createElement("p");
    line.textContent = `${who}: ${right} of ${num} right, ${percent(fraction)} (95 % interval `
      + `${percent(low)} to ${percent(high)}; by chance 50 %).`;
    return line;
  };
  const list = document.createElement("ol");
  for (const [number, row] of result.questions.entries()) {
    const item = document.createElement("li");
    const tile = document.createElement("canvas");
    tile.setAttribute("role", "img");
    tile.setAttribute("aria-label", `Question ${number + 1}`);
    await drawPng(tile, quiz.shown[number]);
    const mark = row.truth === row.answer ? "✓" : "✗";
    item.append(tile, `${mark} was ${row.truth}, you said ${row.answer}`);
    list.append(item);
  }
  place.replaceChildren(
    sentence("This round", result.round),
    sentence(`All answers so far, in rounds with ${quiz.column} of these weights`, result.all), list);
  place.hidden = false;
  place.focus({ preventScroll: true });
}
